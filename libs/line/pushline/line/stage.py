"""A stage: ask what is open, do it, say the answer, look again. The one place that says what becomes of work.

After every record, at the start, after a change of ownership and after every answer it asks the pure `decide` what to start and
what to cancel. `work` runs in a thread of its own and gives the event that answers it; the writer appends it and reads it back.

* an event that counts: the work is done; one that another record was in front of: `decide` looks at the new fold;
* more undecodable records in a row than allowed on a topic whose dead letters it writes: no work is started for that partition;
* an event that is too large: less is said, `less` knows what; None: the work was cancelled and there is nothing to say;
* Transient, a broker that is away or takes not even the least, an append without a report: waited out with back-off, for ever, the
  reason named in `problem`;
* anything else, from `decide` too, is a defect: it is reported with its traceback, waited out like trouble that passes, and never
  becomes an outcome.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pushline.line.broker import AppendUnknown, BrokerUnavailable, LineError, Log, MessageTooLarge, Ownership
from pushline.line.codec import Entry
from pushline.line.deadletters import DeadLetters
from pushline.line.events import Event
from pushline.line.ledger import Ledger, Run, Stop
from pushline.line.less import Less, nothing_less, publish
from pushline.line.patience import OPEN_WORK
from pushline.line.stage_hearers import SilentReport, StageReport
from pushline.line.tail import Tail
from pushline.line.topics import Topic
from pushline.line.writer import Writer

COMMIT_SECONDS = 1.0
BACK_OFFS_KEPT = 1000
ASK_AGAIN_SECONDS = 0.5
CATCH_UP_SECONDS = 0.5  # at once, then the membership is kept alive and it is tried again
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = OPEN_WORK.first_seconds, OPEN_WORK.longest_seconds


class Task(Protocol):
    """A piece of open work, named by its key."""

    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=Task)


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    start: tuple[T, ...] = ()
    cancel: tuple[str, ...] = ()  # keys of running work


Decide = Callable[[Ledger, frozenset[int], Mapping[str, T]], Decision[T]]
Work = Callable[[T, threading.Event], Event | None]


class Transient(Exception):
    """Trouble that passes (store, forge, broker): try again later, nothing is lost. The message is for people."""


@dataclass(slots=True)
class _Running(Generic[T]):
    task: T
    cancelled: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    problem: str = ""


class Stage(Generic[T]):
    """Construct, start(), stop(). `problem` is empty, or says what open work waits for."""

    def __init__(
        self,
        *,
        name: str,
        hears: Topic,
        log: Log,
        tail: Tail,
        writer: Writer,
        decide: Decide[T],
        work: Work[T],
        max_workers: int = 1,
        report: StageReport | None = None,
        dead_letters: DeadLetters | None = None,
        less: Less = nothing_less,
    ) -> None:
        self._name, self._hears, self._log = name, hears, log
        self._tail, self._writer = tail, writer
        self._decide, self._work, self._less, self._max_workers = decide, work, less, max_workers
        self._report: StageReport = report or SilentReport()
        self._dead_letters = dead_letters
        self._running: dict[str, _Running[T]] = {}
        self._commit_due = 0.0
        self._back_off: dict[str, float] = {}  # seconds to wait after the next trouble, by key
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._owned: frozenset[int] = frozenset()
        self._thread = threading.Thread(target=self._run, name=f"stage-{name}", daemon=True)
        self._turn_problem = ""
        self._stops: tuple[Stop, ...] = ()

    @property
    def problem(self) -> str:
        with self._lock:
            waits = [f"{running.task.key}: {running.problem}" for running in self._running.values() if running.problem]
        letters = self._dead_letters.problem if self._dead_letters else ""
        return "; ".join([*filter(None, (self._turn_problem, letters)), *map(str, self._stops), *sorted(waits)])

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Ask again now; the tail's owner calls it after every fold."""
        self._wake.set()

    def stop(self, timeout_seconds: float) -> None:
        """Start nothing more, cancel what runs, wait for it. What was not answered is open work of the next start."""
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            running = list(self._running.values())
        for each in running:
            each.cancelled.set()
        for thread in [self._thread, *(each.thread for each in running)]:
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        ownership: Ownership | None = None
        while not self._stop.is_set():
            try:
                ownership = ownership or self._log.ownership(self._name, self._hears.name)
                self._own(ownership.poll())
                self._turn(ownership)
                self._turn_problem = ""
            except LineError as error:
                self._turn_problem = f"broker: {error}"
            except Exception as error:  # noqa: BLE001 - a defect of `decide` is told, and asked again: no stage ends in silence
                self._note_defect(error)
            self._wake.wait(ASK_AGAIN_SECONDS)
            self._wake.clear()
        if ownership is not None:
            ownership.close()

    def _note_defect(self, error: Exception) -> None:
        problem = f"defect: {error!r}"
        if problem != self._turn_problem:
            self._report.defect("decide", error)
        self._turn_problem = problem

    def _own(self, given: frozenset[int]) -> None:
        """Give up partitions at once; take one on once everything is folded that its last owner has written."""
        self._owned &= given
        if given <= self._owned or self._tail.problem:
            return
        self._tail.catch_up(CATCH_UP_SECONDS)
        self._owned = given

    def _turn(self, ownership: Ownership) -> None:
        stopped = self._look_at_letters()
        with self._lock:
            running = {key: each.task for key, each in self._running.items()}
        with self._tail.read() as ledger:
            if self._tail.problem:
                return
            decision = self._decide(ledger, self._owned - ledger.parked.keys() - stopped, running)
        for key in decision.cancel:
            self._cancel(key)
        for task in decision.start:
            self._start(task)
        if time.monotonic() >= self._commit_due:
            self._commit_due = time.monotonic() + COMMIT_SECONDS
            self._commit(ownership)

    def _look_at_letters(self) -> frozenset[int]:
        """Write what is no event to the dead letters; give the partitions where too many in a row stop this stage."""
        if self._dead_letters is None:
            return frozenset()
        with self._tail.read() as ledger:
            self._dead_letters.look(ledger)
        stops = tuple(stop for stop in self._dead_letters.stops.values() if stop.partition in self._owned)
        if stops != self._stops:
            self._stops = stops
            self._report.stopped(stops)
        if not self._tail.problem:
            self._dead_letters.write(self._owned)
        return frozenset(stop.partition for stop in stops)

    def _cancel(self, key: str) -> None:
        with self._lock:
            running = self._running.get(key)
        if running is not None:
            running.cancelled.set()

    def _start(self, task: T) -> None:
        with self._lock:
            if task.key in self._running or len(self._running) >= self._max_workers or self._stop.is_set():
                return
            running = _Running(task)
            running.thread = threading.Thread(target=self._do, args=(running,), name=f"{self._name}-{task.key}", daemon=True)
            self._running[task.key] = running
            running.thread.start()

    def _do(self, running: _Running[T]) -> None:
        """Try once. After trouble wait, then leave it to `decide`, which looks at the fold as it is by then."""
        key = running.task.key
        self._report.started(key)
        if self._try(running):
            with self._lock:
                self._back_off.pop(key, None)
        else:
            wait = self._after_trouble(key)
            running.cancelled.wait(wait)
        with self._lock:
            self._running.pop(key, None)
        self._report.ended(key)
        self._wake.set()

    def _after_trouble(self, key: str) -> float:
        """Give the seconds to wait. Work that another replica ended is never tried again here, so the oldest are forgotten."""
        with self._lock:
            wait = self._back_off.pop(key, FIRST_BACK_OFF_SECONDS)
            self._back_off[key] = min(wait * 2, LONGEST_BACK_OFF_SECONDS)
            while len(self._back_off) > BACK_OFFS_KEPT:
                del self._back_off[next(iter(self._back_off))]
        return wait

    def _try(self, running: _Running[T]) -> bool:
        """Do the work and say its answer. False: not now, or another record was in front of the answer."""
        began, key = time.monotonic(), running.task.key
        try:
            event = self._work(running.task, running.cancelled)
            if event is None:
                return True
            event, published = publish(self._writer, event, self._less)
        except (Transient, BrokerUnavailable, AppendUnknown, MessageTooLarge) as error:
            running.problem = str(error)
            self._report.waiting(key, running.problem)
            return False
        except Exception as error:  # noqa: BLE001 - a defect is told, waited out, and never an outcome
            running.problem = f"defect: {error!r}"
            self._report.defect(key, error)
            return False
        self._report.answered(key, event, published, time.monotonic() - began)
        return published.counted

    def _commit(self, ownership: Ownership) -> None:
        """Commit the offset of the oldest record with open work: for lag metrics and autoscaling, and nothing else."""
        with self._tail.read() as ledger:
            offsets = open_offsets(ledger, self._hears, self._tail.folded_of(self._hears.name))
        ownership.commit({partition: offset for partition, offset in offsets.items() if partition in self._owned})


def open_offsets(ledger: Ledger, hears: Topic, folded: Mapping[int, int]) -> dict[int, int]:
    """Give the offset of the oldest record of this topic with open work, a partition; its end where nothing is open."""
    oldest = dict(folded)
    for run in ledger.runs.values():
        heard, answer = _HEARD_AND_ANSWER[hears.name](run)
        if heard is not None and answer is None and not run.outcome:
            oldest[heard.partition] = min(oldest.get(heard.partition, heard.offset), heard.offset)
    return oldest


_HEARD_AND_ANSWER: Mapping[str, Callable[[Run], tuple[Entry[Any] | None, Entry[Any] | None]]] = {
    "commit": lambda run: (run.push, run.trained),
    "trained": lambda run: (run.trained, run.verdict),
    "evaluated": lambda run: (run.verdict, run.slot),
}
