"""Where a model's questions wait for it: a bounded queue and threads of its own, so that no model waits for another one.

What waits is joined: whoever comes to take the next job takes all of its form with it, up to a batch. Nobody waits for company.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pushline.predictor.errors import Overloaded, RequestError
from pushline.predictor.model_limits import NO_LIMITS, OF_ALL, ModelLimits, check_served
from pushline.predictor.models import Models
from pushline.predictor.notes import Notes
from pushline.predictor.predictions import Answer, Job, Predictions
from pushline.predictor.settings import ServingSettings
from pushline.predictor.tensors import Limits

IDLE_SECONDS = 10.0  # then a thread ends


class Ticket(NamedTuple):
    """A job that waits. `done` is called once, from a thread of the lane; it never raises."""

    job: Job
    is_awaited: Callable[[], bool]
    done: Callable[[Answer | RequestError | None], None]  # None: nobody waits for it any more


class Lane:
    """Safe to call from many threads. `most` questions of the model wait or are worked on."""

    def __init__(self, model: str, predictions: Predictions, threads: int, most: int, max_batch: int) -> None:
        self._model, self._predictions = model, predictions
        self._threads, self._most, self._max_batch = threads, most, max_batch
        self._waiting: deque[Ticket] = deque()
        self._inside = 0  # waiting and worked on
        self._workers = self._idle = 0
        lock = threading.Lock()
        self._changed, self._emptied = threading.Condition(lock), threading.Condition(lock)

    @property
    def inside(self) -> int:
        return self._inside

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def wait_until_idle(self, seconds: float) -> None:
        with self._changed:
            self._emptied.wait_for(lambda: not self._inside, max(0.0, seconds))

    def submit(self, ticket: Ticket) -> None:
        """Raises Overloaded, and then the job is given back."""
        with self._changed:
            if self._inside >= self._most:
                ticket.job.slot.give_back(ticket.job.held)
                raise Overloaded(self._model, self._inside)
            self._inside += 1
            self._waiting.append(ticket)
            self._changed.notify()
            if len(self._waiting) > self._idle and self._workers < self._threads:
                self._workers += 1
                threading.Thread(target=self._work, name=f"lane {self._model}", daemon=True).start()

    def _work(self) -> None:
        while batch := self._next():
            self._answer(batch)
            with self._changed:
                self._inside -= len(batch)
                if not self._inside:
                    self._emptied.notify_all()

    def _next(self) -> list[Ticket]:
        """Wait for work; nothing where there was none for long, and then the thread is counted out."""
        with self._changed:
            self._idle += 1
            found = self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS)
            self._idle -= 1
            if not found:
                self._workers -= 1
                return []
            return self._take_alike()

    def _take_alike(self) -> list[Ticket]:
        first = self._waiting.popleft()
        batch, rows, others = [first], first.job.rows, deque[Ticket]()
        while self._waiting and rows < self._max_batch:
            ticket = self._waiting.popleft()
            if ticket.job.form == first.job.form and rows + ticket.job.rows <= self._max_batch:
                batch.append(ticket)
                rows += ticket.job.rows
            else:
                others.append(ticket)
        others.extend(self._waiting)
        self._waiting = others
        return batch

    def _answer(self, batch: list[Ticket]) -> None:
        awaited = []
        for ticket in batch:
            if ticket.is_awaited():
                awaited.append(ticket)
            else:
                ticket.job.slot.give_back(ticket.job.held)
                ticket.done(None)
        if awaited:
            for ticket, result in zip(awaited, self._predictions.answer([ticket.job for ticket in awaited]), strict=True):
                ticket.done(result)


class Lanes:
    """A lane a model, made when it is first needed."""

    def __init__(
        self, predictions: Predictions, threads: int, most: int, max_batch: int, own: Mapping[str, ModelLimits] = NO_LIMITS
    ) -> None:
        """`own` are limits of single models."""
        self.predictions = predictions
        self._threads, self._most, self._max_batch, self._own = threads, most, max_batch, own
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()

    def submit(self, ticket: Ticket) -> None:
        """Raises Overloaded, and then the job is given back."""
        model = ticket.job.model
        lane = self._lanes.get(model)
        if lane is None:
            with self._lock:
                lane = self._lanes.setdefault(model, self._lane(model))
        lane.submit(ticket)

    def max_batch(self, model: str) -> int:
        return self._own.get(model, OF_ALL).batch or self._max_batch

    def _lane(self, model: str) -> Lane:
        own = self._own.get(model, OF_ALL)
        return Lane(model, self.predictions, own.threads or self._threads, own.in_flight or self._most, self.max_batch(model))

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until nothing waits or is worked on, no longer than that."""
        until = time.monotonic() + seconds
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.wait_until_idle(until - time.monotonic())

    @property
    def inside(self) -> int:
        return sum(lane.inside for lane in list(self._lanes.values()))

    def queues(self) -> dict[str, tuple[int, int]]:
        """Give by model how many are inside, and how many of them wait. A model that is always quick never needed a lane."""
        used = {model: (lane.inside, lane.waiting) for model, lane in list(self._lanes.items())}
        return dict.fromkeys(self.predictions.models.names(), (0, 0)) | used


def lanes_of(models: Models, settings: ServingSettings, notes: Notes) -> Lanes:
    """Raises SettingsError."""
    check_served(settings.model_limits, settings.models)
    limits, own = Limits(settings.max_rows, settings.non_finite == "refuse"), settings.model_limits
    rows = {name: replace(limits, max_rows=each.rows) for name, each in own.items() if each.rows}
    predictions = Predictions(models, limits, notes, rows)
    return Lanes(predictions, settings.door.threads, settings.door.max_in_flight, settings.door.max_batch, own)
