import threading
from collections.abc import Mapping

import pytest

from pushline.line.codec import encode
from pushline.line.events import ModelTrained
from pushline.line.ledger import Ledger
from pushline.line.memory import Fate, MemoryLog
from pushline.line.stage import BACK_OFFS_KEPT, Decision, Transient
from tests.unit.line.model import making as make
from tests.unit.line.toy_stage import Training, folded, put, replica, train, trained_runs, what_is_open
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


def test_open_work_is_answered(log: MemoryLog) -> None:
    put(log, FIRST)

    with replica(log) as one:
        eventually(lambda: folded(one, ["a"]))
        put(log, OTHER)
        eventually(lambda: folded(one, ["a", "d"]))

    assert len(log.records("trained")) == 2


def test_every_event_delivered_twice_gives_the_same_answers(log: MemoryLog) -> None:
    with replica(log) as one:
        for record in (FIRST, FIRST, OTHER, OTHER):
            put(log, record)
        eventually(lambda: folded(one, ["a", "d"]))
        for answer in log.records("trained"):
            log.inject(answer.topic, answer.partition, answer.key, answer.value, answer.headers)
        one.tail.catch_up(10)

    assert len({record.value for record in log.records("trained")}) == 2
    assert trained_runs(log) == ["a", "d"]
    assert one.heard.starts == [FIRST.run_id, OTHER.run_id]


def test_a_lost_race_is_decided_afresh(log: MemoryLog) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(training: Training, _: threading.Event) -> ModelTrained:
        began.set()
        assert go_on.wait(10)
        return make.trained(training.pushed, sentence="slower")

    with replica(log, slow) as one:
        put(log, FIRST)
        assert began.wait(10)
        log.append(encode(make.trained(FIRST, sentence="faster"), "another replica"))
        go_on.set()
        eventually(lambda: one.heard.answers != [])

    (lost,) = one.heard.answers
    assert (lost.counted, lost.rule) == (False, "trained_slot")
    assert one.heard.starts == [FIRST.run_id]
    assert trained_runs(log) == ["a"]


def test_trouble_that_passes_is_waited_out_and_never_an_outcome(log: MemoryLog) -> None:
    trouble, tries = [True], []

    def store_is_away(training: Training, stopped: threading.Event) -> ModelTrained:
        tries.append(training.key)
        if trouble[0]:
            raise Transient("the store does not answer")
        return train(training, stopped)

    with replica(log, store_is_away) as one:
        put(log, FIRST)
        eventually(lambda: len(tries) >= 3 and "the store does not answer" in one.stage.problem)
        assert log.records("trained") == ()
        trouble[0] = False
        eventually(lambda: folded(one, ["a"]) and one.stage.problem == "")

    assert set(one.heard.waits) == {"the store does not answer"}
    assert one.heard.defects == []


def test_a_back_off_grows_up_to_a_limit(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.stage.LONGEST_BACK_OFF_SECONDS", 0.03)

    def never(_: Training, __: threading.Event) -> ModelTrained:
        raise Transient("no")

    with replica(log, never) as one:
        put(log, FIRST)
        eventually(lambda: one.stage._back_off.get(FIRST.run_id) == 0.02)
        eventually(lambda: one.stage._back_off.get(FIRST.run_id) == 0.03)


def test_a_defect_of_one_run_is_told_and_stops_no_other(log: MemoryLog) -> None:
    def broken_for_a(training: Training, stopped: threading.Event) -> ModelTrained:
        if training.pushed.model == "a":
            raise ZeroDivisionError
        return train(training, stopped)

    with replica(log, broken_for_a, max_workers=2) as one:
        put(log, FIRST, OTHER)
        eventually(lambda: folded(one, ["d"]) and len(one.heard.defects) >= 2)
        eventually(lambda: "defect: ZeroDivisionError()" in one.stage.problem)

    assert trained_runs(log) == ["d"]


def test_a_defect_of_a_decision_is_told_and_does_not_end_the_stage(log: MemoryLog) -> None:
    healed = threading.Event()

    def broken(ledger: Ledger, owned: frozenset[int], running: Mapping[str, Training]) -> Decision[Training]:
        if not healed.is_set():
            raise ZeroDivisionError
        return what_is_open(ledger, owned, running)

    with replica(log, decide=broken) as one:
        put(log, FIRST)
        eventually(lambda: "ZeroDivisionError" in one.stage.problem)
        healed.set()
        eventually(lambda: folded(one, ["a"]) and one.stage.problem == "")

    assert [type(defect) for defect in one.heard.defects] == [ZeroDivisionError]


def test_cancelled_work_has_nothing_to_say(log: MemoryLog) -> None:
    """A newer push of a model cancels the training of an older one."""
    newer = make.push("a", 2, previous=1, sha="bb")

    def newest(ledger: Ledger, _: frozenset[int], running: Mapping[str, Training]) -> Decision[Training]:
        runs = [run for run in list(ledger.runs.values())[-1:] if run.trained is None]
        old = tuple(key for key in running if key not in [run.run_id for run in runs])
        return Decision(tuple(Training(run.push.event) for run in runs if run.run_id not in running), old)

    def slow(training: Training, cancelled: threading.Event) -> ModelTrained | None:
        if training.pushed == newer:
            return make.trained(newer)
        assert cancelled.wait(10)
        return None

    with replica(log, slow, newest) as one:
        put(log, FIRST)
        eventually(lambda: one.heard.starts == [FIRST.run_id])
        put(log, newer)
        eventually(lambda: folded(one, ["a"]))

    assert one.heard.starts == [FIRST.run_id, newer.run_id]
    assert len(log.records("trained")) == 1


def test_no_more_runs_at_once_than_workers(log: MemoryLog) -> None:
    pushes = [make.push("a", number, previous=number - 1, sha=f"{number:02}") for number in range(1, 6)]
    now, most, lock, pause = [0], [0], threading.Lock(), threading.Event()

    def counted(training: Training, stopped: threading.Event) -> ModelTrained:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        pause.wait(0.01)
        with lock:
            now[0] -= 1
        return train(training, stopped)

    with replica(log, counted, max_workers=2) as one:
        put(log, *pushes)
        eventually(lambda: folded(one, ["a"] * 5))

    assert most == [2]


@pytest.mark.parametrize("fate", [Fate.WRITTEN, Fate.HELD, Fate.LOST])
def test_an_answer_without_a_report_is_given_once(log: MemoryLog, fate: Fate) -> None:
    with replica(log) as one:
        log.append(encode(FIRST, "test"))
        log.fail_next(fate)
        eventually(lambda: folded(one, ["a"]))
        log.release()
        one.tail.catch_up(10)

    assert trained_runs(log) == ["a"]
    assert len({record.value for record in log.records("trained")}) == 1


def test_a_broker_that_goes_away_is_named_and_waited_out(log: MemoryLog) -> None:
    with replica(log) as one:
        eventually(lambda: one.tail.problem == "")
        log.set_unavailable(away=True)
        eventually(lambda: one.tail.problem.startswith("broker"))
        log.set_unavailable(away=False)
        put(log, FIRST)
        eventually(lambda: folded(one, ["a"]))


def test_a_stopped_stage_cancels_what_runs_and_leaves_it_to_the_next_start(log: MemoryLog) -> None:
    def until_stopped(_: Training, stopped: threading.Event) -> ModelTrained | None:
        assert stopped.wait(10)
        return None

    with replica(log, until_stopped) as one:
        put(log, FIRST)
        eventually(lambda: one.heard.starts == [FIRST.run_id])
        one.stage.stop(10)
        put(log, OTHER)
        one.tail.catch_up(10)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(("toy-", "stage-toy"))]
    assert log.records("trained") == ()

    with replica(log) as two:
        eventually(lambda: folded(two, ["a", "d"]))
    assert one.heard.starts == [FIRST.run_id]


def test_nothing_is_started_on_a_partition_with_a_record_of_a_newer_version(log: MemoryLog) -> None:
    message = encode(FIRST, "test")
    newer = dict(message.headers) | {"ce_type": b"dev.pushline.trained.v2"}
    log.inject("trained", 0, message.key, message.value, tuple(newer.items()))

    with replica(log) as one:
        put(log, FIRST, OTHER)
        eventually(lambda: folded(one, ["d"]))
        one.tail.catch_up(10)

    assert one.heard.starts == [OTHER.run_id]


def test_the_committed_offset_is_that_of_the_oldest_open_work(log: MemoryLog) -> None:
    def not_the_first(training: Training, stopped: threading.Event) -> ModelTrained:
        if training.pushed.generation == 2:
            raise Transient("wait")
        return train(training, stopped)

    pushes = [make.push("a", number, previous=number - 1, sha=f"{number:02}") for number in range(1, 4)]
    with replica(log, not_the_first, max_workers=3) as one:
        put(log, *pushes)
        eventually(lambda: folded(one, ["a", "a"]))
        eventually(lambda: log._groups[("toy", "commit")][0].committed == {0: 1, 1: 0})


def test_nothing_is_decided_before_the_log_was_read_to_its_end(log: MemoryLog) -> None:
    put(log, FIRST)
    log.append(encode(make.trained(FIRST), "another life"))
    gate = Gate(is_open=False)

    with replica(SlowToRead(log, gate)) as one:
        eventually(lambda: one.tail._wanted is not None)
        gate.open()
        eventually(lambda: folded(one, ["a"]) and one.tail.problem == "")

    assert one.heard.starts == []


def test_back_offs_of_work_that_never_comes_again_are_forgotten(log: MemoryLog) -> None:
    with replica(log) as one:
        for number in range(BACK_OFFS_KEPT + 100):
            one.stage._after_trouble(f"run {number}")

        assert len(one.stage._back_off) == BACK_OFFS_KEPT
        assert "run 0" not in one.stage._back_off
