import threading

import pytest

from pushline.line.events import ModelTrained
from pushline.line.memory import MemoryLog
from tests.unit.line.model import making as make
from tests.unit.line.toy_stage import Training, folded, put, replica, train, trained_runs
from tests.unit.line.waiting import Gate, SlowToRead, eventually

FIRST = make.push("a", 1, previous=0)
OTHER = make.push("d", 1, previous=0)  # on the other partition


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.BACK_OFF_SECONDS", 0.01)
    monkeypatch.setattr("pushline.line.stage.ASK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr("pushline.line.stage.FIRST_BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(make.PARTITIONS)


def test_two_replicas_share_the_partitions_and_answer_each_run_once(log: MemoryLog) -> None:
    with replica(log) as one, replica(log) as two:
        eventually(lambda: one.stage._owned | two.stage._owned == {0, 1} and not one.stage._owned & two.stage._owned)
        put(log, FIRST, OTHER)
        eventually(lambda: folded(one, ["a", "d"]) and folded(two, ["a", "d"]))

    assert len(log.records("trained")) == 2
    assert {*one.heard.starts, *two.heard.starts} == {FIRST.run_id, OTHER.run_id}
    assert not {*one.heard.starts} & {*two.heard.starts}


def test_a_lost_partition_stops_no_training_and_the_slot_takes_one_answer(log: MemoryLog) -> None:
    go_on = threading.Event()

    def slow(training: Training, _: threading.Event) -> ModelTrained:
        assert go_on.wait(10)
        return make.trained(training.pushed, sentence="from the old owner")

    with replica(log, slow) as one:
        put(log, FIRST)
        eventually(lambda: one.heard.starts == [FIRST.run_id])
        for member in log._groups[("toy", "commit")]:
            member.expel()
        with replica(log) as two:
            eventually(lambda: folded(two, ["a"]))
            go_on.set()
            eventually(lambda: one.heard.answers != [])

    assert [one.heard.answers[0].counted, two.heard.answers[0].counted] == [False, True]
    assert trained_runs(log) == ["a"]


def test_a_new_owner_reads_to_the_end_before_it_decides(log: MemoryLog) -> None:
    """What the last owner has answered is in the log, and the new one has not read it yet."""
    gate, go_on = Gate(is_open=True), threading.Event()

    def slow(training: Training, stopped: threading.Event) -> ModelTrained:
        assert go_on.wait(10)
        return train(training, stopped)

    with replica(log, slow) as one, replica(SlowToRead(log, gate)) as two:
        eventually(lambda: two.tail.problem == "" and two.stage._owned == {1} and one.stage._owned == {0})
        put(log, FIRST)
        two.tail.catch_up(10)
        gate.shut()
        go_on.set()
        eventually(lambda: folded(one, ["a"]))
        one.stage.stop(10)
        eventually(lambda: two.tail._asked != [] or two.heard.starts != [])  # it waits, or it does not
        gate.open()
        eventually(lambda: two.stage._owned == {0, 1} and folded(two, ["a"]))

    assert two.heard.starts == []
