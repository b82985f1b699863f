"""The tables of what becomes of records and of open work are what ledger, dead letters and stage do."""

import ast
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pushline.line import ledger as the_ledger
from pushline.line.broker import AppendUnknown, BrokerUnavailable
from pushline.line.codec import encode
from pushline.line.deadletters import DeadLetters
from pushline.line.events import Event, ModelTrained
from pushline.line.fates import RECORDS, WORK
from pushline.line.ids import partition_of
from pushline.line.ledger import Judgement, Ledger
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.stage import Transient
from pushline.line.tail import Tail
from pushline.line.topics import BY_NAME, TOPICS
from tests.unit.line.model import making as make
from tests.unit.line.toy_stage import LONGEST, Training, put, replica, train
from tests.waiting import until

FOLD = Path(the_ledger.__file__).with_name("fold.py")
PARTITION = partition_of(b"a", make.PARTITIONS)
PUSH = make.push("a", 1, previous=0)
MADE = make.trained(PUSH)
PUT = make.deployed("redeploy", PUSH, "m", 1, 0)
GOOD: dict[str, Event] = {
    "commit": make.push("a", 2, previous=1, sha="bb"),
    "trained": MADE,
    "evaluated": make.evaluated(MADE, "none"),
    "deployed": PUT,
    "served": make.served(PUT),
}
IN_FRONT: dict[str, tuple[Event, ...]] = {
    "commit": (PUSH,),
    "trained": (PUSH,),
    "evaluated": (PUSH, MADE),
    "deployed": (),
    "served": (PUT,),
}


@dataclass
class Folded:
    ledger: Ledger
    judgement: Judgement
    letters: int
    counted_before: int  # records of this verdict on the topic, of those that had to be there


def fold(topic: str, spoil: Callable[[Record], Record], *, in_front: bool = True, behind: bool = False) -> Folded:
    """Fold what has to be there, then a record of the topic with something done to it; `behind` folds it once more."""
    ledger, log = Ledger(make.PARTITIONS), MemoryLog(make.PARTITIONS)
    letters = DeadLetters(log, TOPICS)
    for event in IN_FRONT[topic] if in_front else ():
        assert ledger.fold(make.lay(event, 0))[0].verdict == "valid"
    if behind:
        ledger.fold(spoil(make.lay(GOOD[topic], 1)))
    before = ledger.counts.copy()
    judgements = ledger.fold(record := spoil(make.lay(GOOD[topic], 2)))
    letters.note(record, judgements)
    written = letters.write(frozenset(range(make.PARTITIONS)))
    return Folded(ledger, judgements[0], written, before[(judgements[0].place[0], judgements[0].verdict)])


def as_it_is(record: Record) -> Record:
    return record


def on_another_partition(record: Record) -> Record:
    return replace(record, partition=1 - record.partition)


def no_json(record: Record) -> Record:
    return replace(record, value=b"{")


def on_its_dead_letter_topic(record: Record) -> Record:
    return replace(record, topic=BY_NAME[record.topic].dead_letters)


def of_version_two(record: Record) -> Record:
    headers = tuple((name, (data or b"").replace(b".v1", b".v2") if name == "ce_type" else data) for name, data in record.headers)
    return replace(record, headers=headers)


MAKE: dict[str, Callable[[str], Folded]] = {
    "valid": lambda topic: fold(topic, as_it_is),
    "invalid": lambda topic: fold(topic, on_another_partition),
    "kept": lambda topic: fold(topic, as_it_is, in_front=False),
    "undecodable": lambda topic: fold(topic, no_json),
    "newer": lambda topic: fold(topic, of_version_two),
    "parked": lambda topic: fold(topic, of_version_two, behind=True),
    "letter": lambda topic: fold(topic, on_its_dead_letter_topic),
}
CASES = [
    (fate.verdict, topic)
    for fate in RECORDS
    for topic in GOOD
    if fate.verdict != "kept" or topic in ("trained", "evaluated", "served")
]


@pytest.mark.parametrize(("verdict", "topic"), CASES)
def test_a_record_fares_as_its_row_says(verdict: str, topic: str) -> None:
    (fate,) = [fate for fate in RECORDS if fate.verdict == verdict]

    folded = MAKE[verdict](topic)

    counted = folded.ledger.valid(make.id_of(GOOD[topic])) is not None
    assert folded.judgement.verdict == verdict
    assert (counted, folded.letters == 1, PARTITION in folded.ledger.parked) == (fate.counts, fate.dead_letter, fate.parks)
    assert folded.ledger.counts[(folded.judgement.place[0], verdict)] == folded.counted_before + 1


def test_the_table_has_every_verdict_of_the_fold_and_no_other() -> None:
    calls = [node for node in ast.walk(ast.parse(FOLD.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    at = {"Judgement": 2, "_judged": 1}
    said = [call.args[at[call.func.id]] for call in calls if isinstance(call.func, ast.Name) and call.func.id in at]

    literals = {each.value for each in said if isinstance(each, ast.Constant)}

    assert literals == {fate.verdict for fate in RECORDS}
    assert [ast.unparse(each) for each in said if not isinstance(each, ast.Constant)] == ["verdict"]  # _judged hands its own on


def test_a_kept_record_is_judged_as_soon_as_its_cause_counts() -> None:
    ledger = Ledger(make.PARTITIONS)
    ledger.fold(make.lay(MADE, 0))

    judgements = ledger.fold(make.lay(PUSH, 0))

    assert [each.verdict for each in judgements] == ["valid", "valid"]
    assert ledger.kept == 0


def overtaken(training: Training, log: MemoryLog) -> ModelTrained:
    """Another replica is faster, with other bytes."""
    log.append(encode(make.trained(training.pushed, sentence="first"), "another"))
    return make.trained(training.pushed, sentence="second")


def raising(error: Exception) -> Callable[[Training, MemoryLog], ModelTrained]:
    def work(_training: Training, _log: MemoryLog) -> ModelTrained:
        raise error

    return work


ENDS: dict[str, Callable[[Training, MemoryLog], ModelTrained | None]] = {
    "answered": lambda training, _log: train(training, threading.Event()),
    "shortened": lambda training, _log: make.trained(training.pushed, sentence="x" * (LONGEST - 1)),
    "overtaken": overtaken,
    "silent": lambda _training, _log: None,
    "transient": raising(Transient("store: away")),
    "away": raising(BrokerUnavailable("broker: away")),
    "refused": lambda training, _log: make.trained(training.pushed, sentence="x" * LONGEST),
    "unknown": raising(AppendUnknown("no report")),
    "defect": raising(ZeroDivisionError("a defect")),
}


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.stage.FIRST_BACK_OFF_SECONDS", 0.3)
    monkeypatch.setattr("pushline.line.stage.ASK_AGAIN_SECONDS", 0.01)


@pytest.mark.parametrize("end", [fate.end for fate in WORK])
@pytest.mark.usefixtures("short_waits")
def test_open_work_fares_as_its_row_says(end: str) -> None:
    (fate,) = [fate for fate in WORK if fate.end == end]
    log = MemoryLog(make.PARTITIONS)
    tries: list[str] = []

    def work(training: Training, cancelled: threading.Event) -> ModelTrained | None:
        tries.append(training.key)
        return ENDS[end](training, log) if len(tries) == 1 else train(training, cancelled)

    put(log, PUSH)
    with replica(log, work) as one:
        if fate.named:
            until(lambda: PUSH.run_id in one.stage.problem, 10)
        until(lambda: _answered(one.tail), 10)
        until(lambda: not one.stage.problem, 10)

    published = [each.counted for each in one.heard.answers]
    assert published[0] == (end != "overtaken")
    assert len(tries) == (2 if fate.tried_again and end != "overtaken" else 1)  # whoever overtook it has answered it
    assert bool(one.heard.waits or one.heard.defects) == fate.named


def _answered(tail: Tail) -> bool:
    with tail.read() as ledger:
        return [run.trained is not None for run in ledger.runs.values()] == [True]


def test_every_row_of_work_is_driven() -> None:
    assert ENDS.keys() == {fate.end for fate in WORK}
