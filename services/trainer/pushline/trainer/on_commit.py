"""The trainer's answer to an open run: what the training came to, or that a newer run took its place."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from errno import EDQUOT, ENOSPC

from pushline.line.events import ModelTrained
from pushline.line.ledger import Ledger
from pushline.line.stage import Transient
from pushline.trainer import trained_event
from pushline.trainer.ports import Trainer
from pushline.trainer.recipe import CANCELLED, NEWER_COMMIT, Hindered, Recipe, Task

NO_ROOM = (ENOSPC, EDQUOT)


class Hindrances:
    """Remembers which runs met trouble that passes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: set[str] = set()
        self._before: set[str] = set()

    def __call__(self) -> Hindered:
        with self._lock:
            return Hindered(frozenset(self._resting), frozenset(self._before))

    def begun(self, run_id: str) -> None:
        with self._lock:
            self._resting.discard(run_id)

    def met(self, run_id: str) -> None:
        with self._lock:
            self._resting.add(run_id)
            self._before.add(run_id)

    def over(self, run_id: str) -> None:
        with self._lock:
            self._resting.discard(run_id)
            self._before.discard(run_id)


@dataclass(frozen=True, slots=True)
class OnCommit:
    recipe: Recipe
    trainer: Trainer
    read: Callable[[], AbstractContextManager[Ledger]]
    hindrances: Hindrances = field(default_factory=Hindrances)

    def __call__(self, task: Task, cancelled: threading.Event) -> ModelTrained | None:
        if task.superseded_by is not None:
            return trained_event.superseded(task.run, task.superseded_by, NEWER_COMMIT)
        answer = self._train(task, cancelled)
        if answer is not None or not cancelled.is_set():
            return answer
        with self.read() as ledger:  # cancelled by a newer run, or because the process stops?
            newer = self.recipe.stopped_for(ledger, task.key)
        return trained_event.superseded(task.run, newer, CANCELLED) if newer else None

    def _train(self, task: Task, cancelled: threading.Event) -> ModelTrained | None:
        self.hindrances.begun(task.key)
        try:
            answer = self.trainer.train(task.run, self.recipe.models[task.run.model], cancelled)
        except Transient:
            self.hindrances.met(task.key)
            raise
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.hindrances.met(task.key)
            raise Transient(f"work folder: {error}") from error
        self.hindrances.over(task.key)
        return answer
