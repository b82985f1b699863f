import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from pushline.line.codec import encode
from pushline.line.events import CommitPushed
from pushline.line.ledger import Ledger
from pushline.line.memory import MemoryLog
from pushline.line.stage import Decision, Stage
from pushline.line.stage_hearers import SilentReport
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, TOPIC_NAMES
from pushline.line.writer import Writer
from tests.unit.line.model import making as make
from tests.waiting import until


@dataclass(frozen=True, slots=True)
class Word:
    key: str


@dataclass
class Decides:
    """Breaks as long as it is told to, then wants one word said."""

    broken: bool = True
    asked: int = 0

    def __call__(self, _ledger: Ledger, _owned: frozenset[int], _running: Mapping[str, Word]) -> Decision[Word]:
        self.asked += 1
        if self.broken:
            raise KeyError("a defect")
        return Decision((Word("word"),))


@dataclass
class Report(SilentReport):
    defects: list[str] = field(default_factory=list)

    def defect(self, key: str, error: BaseException) -> None:
        self.defects.append(f"{key}: {error!r}")


@contextmanager
def stage(decide: Decides, report: Report, done: threading.Event) -> Iterator[Stage[Word]]:
    def work(_task: Word, _cancelled: threading.Event) -> CommitPushed | None:
        done.set()
        return None

    log = MemoryLog(make.PARTITIONS)
    log.append(encode(make.push("a", 1, previous=0), "test"))
    tail = Tail(log, TOPIC_NAMES)
    writer = Writer(log, tail, "test")
    made = Stage(name="test", hears=COMMIT, log=log, tail=tail, writer=writer, decide=decide, work=work, report=report)
    tail.start()
    made.start()
    try:
        yield made
    finally:
        made.stop(10)
        tail.stop()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.stage.ASK_AGAIN_SECONDS", 0.01)


def test_a_decision_that_breaks_is_named_told_once_and_asked_again() -> None:
    decide, report, done = Decides(), Report(), threading.Event()

    with stage(decide, report, done) as running:
        until(lambda: decide.asked > 3, 10)
        assert running.problem == "defect: KeyError('a defect')"
        assert report.defects == ["decide: KeyError('a defect')"]

        decide.broken = False

        assert done.wait(10)
        until(lambda: not running.problem, 10)
