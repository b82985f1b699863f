"""A stage as small as one can be: it answers every open push with `trained`."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pushline.line.codec import encode
from pushline.line.deadletters import DeadLetters
from pushline.line.events import CommitPushed, Event, ModelTrained
from pushline.line.ledger import Judgement, Ledger, Stop
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.stage import Decide, Decision, Stage, Work
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, DEAD_LETTER_TOPICS, TOPICS
from pushline.line.writer import Published, Writer
from tests.unit.line.model import making as make
from tests.unit.line.waiting import TOPIC_NAMES, ready_tail

LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Training:
    pushed: CommitPushed

    @property
    def key(self) -> str:
        return self.pushed.run_id


def what_is_open(ledger: Ledger, owned: frozenset[int], running: Mapping[str, Training]) -> Decision[Training]:
    open_runs = (run for run in ledger.runs.values() if run.trained is None and run.push.partition in owned)
    return Decision(start=tuple(Training(run.push.event) for run in open_runs if run.run_id not in running))


def train(training: Training, _: threading.Event) -> ModelTrained:
    return make.trained(training.pushed)


def less(event: Event) -> Event | None:
    """Say it without its sentence, but not one that is longer than any."""
    if isinstance(event, ModelTrained) and 0 < len(event.sentence) < LONGEST:
        return replace(event, sentence="")
    return None


@dataclass
class Heard:
    """Remembers what the stage reported."""

    starts: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    defects: list[BaseException] = field(default_factory=list)
    answers: list[Published] = field(default_factory=list)
    stops: list[tuple[Stop, ...]] = field(default_factory=list)

    def started(self, key: str) -> None:
        self.starts.append(key)

    def ended(self, key: str) -> None: ...

    def waiting(self, key: str, problem: str) -> None:  # noqa: ARG002 - StageReport
        self.waits.append(problem)

    def defect(self, key: str, error: BaseException) -> None:  # noqa: ARG002 - StageReport
        self.defects.append(error)

    def answered(self, key: str, event: Event, published: Published, seconds: float) -> None:  # noqa: ARG002 - StageReport
        self.answers.append(published)

    def stopped(self, stops: Sequence[Stop]) -> None:
        self.stops.append(tuple(stops))


@dataclass
class Replica:
    stage: Stage[Training]
    tail: Tail
    heard: Heard


@contextmanager
def replica(
    log: MemoryLog,
    work: Work[Training] = train,
    decide: Decide[Training] = what_is_open,
    max_workers: int = 1,
    bad_records: int = 100,
) -> Iterator[Replica]:
    letters, heard = DeadLetters(log, TOPICS, bad_records), Heard()
    stages: list[Stage[Training]] = []

    def on_fold(record: Record, judgements: tuple[Judgement, ...]) -> None:
        letters.note(record, judgements)
        for each in stages:
            each.wake()

    tail = Tail(log, (*TOPIC_NAMES, *DEAD_LETTER_TOPICS), on_fold)
    stage = Stage(
        name="toy",
        hears=COMMIT,
        log=log,
        tail=tail,
        writer=Writer(log, tail, "toy"),
        decide=decide,
        work=work,
        max_workers=max_workers,
        report=heard,
        dead_letters=letters,
        less=less,
    )
    stages.append(stage)
    tail.start()
    stage.start()
    try:
        yield Replica(stage, tail, heard)
    finally:
        stage.stop(10)
        tail.stop()


def put(log: MemoryLog, *pushes: CommitPushed) -> None:
    for push in pushes:
        log.append(encode(push, "test"))


def trained_runs(log: MemoryLog) -> list[str]:
    """Give the runs that have a valid `trained`, as a reader of its own finds them."""
    with ready_tail(log) as tail, tail.read() as ledger:
        return sorted(run.model for run in ledger.runs.values() if run.trained is not None)


def folded(one: Replica, models: list[str]) -> bool:
    with one.tail.read() as ledger:
        return sorted(run.model for run in ledger.runs.values() if run.trained is not None) == models
