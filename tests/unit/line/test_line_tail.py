import threading
from collections.abc import Iterator

import pytest

from pushline.line.broker import BrokerUnavailable
from pushline.line.codec import encode
from pushline.line.ledger import Judgement, Ledger
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.tail import CATCHING_UP, Tail
from tests.unit.line.model import making as make
from tests.unit.line.waiting import TOPIC_NAMES, Gate, SlowToRead, eventually, ready_tail, running


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(make.PARTITIONS)


@pytest.fixture
def tail(log: MemoryLog) -> Iterator[Tail]:
    with ready_tail(log) as started:
        yield started


def put(log: MemoryLog, model: str, generation: int = 1) -> Record:
    return log.append(encode(make.push(model, generation, previous=generation - 1), "test"))


def test_catch_up_gives_everything_that_was_in_the_log(log: MemoryLog, tail: Tail) -> None:
    for generation in range(1, 40):
        put(log, "a", generation)

    tail.catch_up(10)

    with tail.read() as ledger:
        assert ledger.line("a").newest_generation == 39


def test_a_tail_is_not_ready_before_it_has_read_what_was_there_at_its_start(log: MemoryLog) -> None:
    gate = Gate(is_open=False)
    put(log, "a")

    with running(Tail(SlowToRead(log, gate), TOPIC_NAMES)) as tail:
        eventually(lambda: tail._wanted is not None)
        assert tail.problem == CATCHING_UP
        gate.open()
        eventually(lambda: tail.problem == "")
        with tail.read() as ledger:
            assert ledger.line("a").newest_generation == 1


def test_a_record_that_is_never_read_ends_in_a_time_out(log: MemoryLog) -> None:
    with running(Tail(SlowToRead(log, Gate(is_open=False)), TOPIC_NAMES)) as tail:
        record = put(log, "a")

        with pytest.raises(TimeoutError):
            tail.wait_folded(record.topic, record.partition, record.offset, 0.05)
        with pytest.raises(BrokerUnavailable):
            tail.catch_up(0.05)


def test_somebody_who_waits_is_asked_after_every_fold(log: MemoryLog, tail: Tail) -> None:
    seen: list[int] = []

    def found(ledger: Ledger) -> str | None:
        seen.append(ledger.line("a").newest_generation)
        return "done" if seen[-1] == 2 else None

    put(log, "a")
    tail.catch_up(10)
    waiter = threading.Thread(target=lambda: seen.append(len(tail.wait_until(found, 10))))
    waiter.start()
    eventually(lambda: seen != [])
    put(log, "a", 2)
    waiter.join(10)

    assert (seen[0], seen[-2:]) == (1, [2, len("done")])


def test_waiting_for_what_never_comes_ends_in_a_time_out(tail: Tail) -> None:
    with pytest.raises(TimeoutError):
        tail.wait_until(lambda _: None, 0.05)


def test_offsets_without_a_record_do_not_stop_it(log: MemoryLog, tail: Tail) -> None:
    record = put(log, "a")
    log.skip_offset(record.topic, record.partition)

    tail.catch_up(10)

    assert tail.folded_of("commit")[record.partition] == 2


def test_a_broker_that_is_away_is_waited_out_with_its_place_kept(log: MemoryLog, tail: Tail) -> None:
    put(log, "a")
    tail.catch_up(10)
    log.set_unavailable(away=True)

    with pytest.raises(BrokerUnavailable, match="away"):
        tail.catch_up(0.1)
    assert tail.problem.startswith("broker: ")

    log.set_unavailable(away=False)
    put(log, "a", 2)
    tail.catch_up(10)
    assert tail.problem == ""
    with tail.read() as ledger:
        assert ledger.counts[("commit", "valid")] == 2


def test_a_broker_that_is_away_at_the_start_is_waited_for(log: MemoryLog) -> None:
    put(log, "a")
    log.set_unavailable(away=True)

    with running(Tail(log, TOPIC_NAMES)) as tail:
        eventually(lambda: tail.problem.startswith("broker: "))
        log.set_unavailable(away=False)
        eventually(lambda: tail.problem == "")


def test_a_log_whose_first_records_are_gone_is_not_ready(log: MemoryLog, tail: Tail) -> None:
    put(log, "a")
    tail.catch_up(10)

    log.truncate("commit", 0, 1)

    eventually(lambda: tail.problem == "line: topic commit partition 0: the first offset is 1, not 0")
    with pytest.raises(BrokerUnavailable, match="the first offset is 1, not 0"):
        tail.catch_up(0.1)


def test_a_topic_that_is_made_anew_is_folded_from_its_start(log: MemoryLog) -> None:
    resets: list[bool] = []
    with running(Tail(log, TOPIC_NAMES, on_reset=lambda: resets.append(True))) as tail:
        put(log, "a")
        tail.catch_up(10)
        log.recreate("commit")
        put(log, "d")

        eventually(lambda: resets == [True] and tail.problem == "")

        with tail.read() as ledger:
            assert (ledger.line("a").newest_generation, ledger.line("d").newest_generation) == (0, 1)


def test_somebody_who_catches_up_while_a_topic_is_made_anew_is_answered_from_the_new_one(log: MemoryLog) -> None:
    gate = Gate(is_open=True)
    with running(Tail(SlowToRead(log, gate), TOPIC_NAMES)) as tail:
        eventually(lambda: tail.problem == "")
        gate.shut()
        put(log, "a")
        waiter = threading.Thread(target=tail.catch_up, args=(10,))
        waiter.start()
        eventually(lambda: any(ask.ends is not None for ask in tail._asked))
        log.recreate("commit")
        gate.open()
        waiter.join(5)

        assert not waiter.is_alive()


def test_every_record_is_told_once_in_its_order(log: MemoryLog) -> None:
    told: list[tuple[int, str]] = []

    def hear(record: Record, judgements: tuple[Judgement, ...]) -> None:
        told.append((record.offset, judgements[0].verdict))

    with running(Tail(log, TOPIC_NAMES, on_fold=hear)) as tail:
        put(log, "a")
        put(log, "a")
        tail.catch_up(10)

    assert told == [(0, "valid"), (1, "invalid")]


def test_a_stopped_tail_lets_its_waiters_go(log: MemoryLog) -> None:
    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            tail.wait_until(lambda _: None, 60)
        except TimeoutError as error:
            ended.append(type(error))

    waiter = threading.Thread(target=wait)
    waiter.start()
    tail.stop()
    waiter.join(10)

    assert ended == [TimeoutError]


def test_a_tail_that_died_of_a_defect_does_not_look_well(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)

    def defect(_: Record, __: tuple[Judgement, ...]) -> None:
        raise ZeroDivisionError

    with running(Tail(log, TOPIC_NAMES, on_fold=defect)) as tail:
        eventually(lambda: tail.problem == "")
        put(log, "a")
        eventually(lambda: tail.problem != "")
        eventually(lambda: died != [])

    assert "ZeroDivisionError" in tail.problem


def test_of_invalid_records_the_newest_alone_are_remembered(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.REFUSED_REMEMBERED", 3)
    for number in range(5):
        log.append(encode(make.push("a", number + 2, previous=77), "test"))

    with ready_tail(log) as tail:
        eventually(lambda: len(tail._refused) == 3)
