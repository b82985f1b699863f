from collections.abc import Iterator
from dataclasses import replace

import pytest

from pushline.line.broker import MAX_RECORD_BYTES, AppendUnknown, BrokerUnavailable, MessageTooLarge
from pushline.line.codec import encode
from pushline.line.memory import Fate, MemoryLog
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from tests.unit.line.model import making as make
from tests.unit.line.waiting import TOPIC_NAMES, eventually, ready_tail, running


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.BACK_OFF_SECONDS", 0.01)
    monkeypatch.setattr("pushline.line.writer.READ_BACK_SECONDS", 5.0)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(make.PARTITIONS)


@pytest.fixture
def tail(log: MemoryLog) -> Iterator[Tail]:
    with ready_tail(log) as started:
        yield started


@pytest.fixture
def writer(log: MemoryLog, tail: Tail) -> Writer:
    return Writer(log, tail, "test")


FIRST = make.push("a", 1, previous=0)


def test_what_counts_is_read_back_before_it_is_said_to_count(log: MemoryLog, tail: Tail, writer: Writer) -> None:
    published = writer.publish(FIRST)

    assert (published.id, published.counted, published.rule, published.sentence) == (make.id_of(FIRST), True, "", "")
    with tail.read() as ledger:
        assert ledger.valid(published.id) is not None
    assert len(log.records("commit")) == 1


def test_the_same_event_twice_counts_once_and_is_no_lost_race(log: MemoryLog, tail: Tail, writer: Writer) -> None:
    assert [writer.publish(FIRST).counted, writer.publish(FIRST).counted] == [True, True]

    assert len(log.records("commit")) == 2
    with tail.read() as ledger:
        assert len(ledger.line("a").runs) == 1


def test_a_lost_race_names_the_rule_that_it_was_lost_by(writer: Writer) -> None:
    writer.publish(FIRST)

    lost = writer.publish(make.push("a", 1, previous=0, sha="bb"))

    assert (lost.counted, lost.rule) == (False, "push_previous")
    assert lost.sentence == "previous is 0; the newest generation in front of it is 1"


def test_a_person_is_told_why_a_record_does_not_count(writer: Writer) -> None:
    writer.publish(FIRST)
    writer.publish(make.hold("hold", "a", (), 1, 0))

    refused = writer.publish(make.deployed("promote", FIRST, "m", 2, 1))

    assert (refused.counted, refused.rule, refused.sentence) == (False, "promote_hold", "the model is on hold")


def test_an_append_without_a_report_that_is_in_the_log_counts(log: MemoryLog, writer: Writer) -> None:
    log.fail_next(Fate.WRITTEN)

    assert writer.publish(FIRST).counted
    assert len(log.records("commit")) == 1


def test_an_append_without_a_report_that_lost_its_race_is_known_to_have_lost(log: MemoryLog, writer: Writer) -> None:
    writer.publish(FIRST)
    log.fail_next(Fate.WRITTEN)

    lost = writer.publish(make.push("a", 1, previous=0, sha="bb"))

    assert (lost.counted, lost.rule) == (False, "push_previous")


def test_an_append_that_was_never_written_is_unknown_and_harmless_to_repeat(log: MemoryLog, writer: Writer) -> None:
    log.fail_next(Fate.LOST)

    with pytest.raises(AppendUnknown, match="not in the log so far"):
        writer.publish(FIRST)
    assert log.records("commit") == ()
    assert writer.publish(FIRST).counted


def test_an_append_that_comes_into_the_log_later_fills_its_slot_once(log: MemoryLog, tail: Tail, writer: Writer) -> None:
    log.fail_next(Fate.HELD)
    with pytest.raises(AppendUnknown):
        writer.publish(FIRST)

    assert writer.publish(FIRST).counted
    log.release()

    tail.catch_up(10)
    with tail.read() as ledger:
        assert (len(ledger.line("a").runs), ledger.broken_rules[("commit", "push_previous")]) == (1, 1)


def test_a_broker_that_is_away_got_nothing(log: MemoryLog, writer: Writer) -> None:
    log.set_unavailable(away=True)

    with pytest.raises(BrokerUnavailable):
        writer.publish(FIRST)

    log.set_unavailable(away=False)
    assert log.records("commit") == ()


def test_a_broker_that_leaves_before_the_look_leaves_it_unknown(
    log: MemoryLog, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushline.line.writer.READ_BACK_SECONDS", 0.05)
    fail = log.append

    def append_and_leave(*args: object) -> object:
        try:
            return fail(*args)  # type: ignore[arg-type]  # passed on as they came
        finally:
            log.set_unavailable(away=True)

    monkeypatch.setattr(log, "append", append_and_leave)
    log.fail_next(Fate.WRITTEN)

    with pytest.raises(AppendUnknown):
        writer.publish(FIRST)


def test_an_event_that_is_too_large_is_not_sent(log: MemoryLog, writer: Writer) -> None:
    with pytest.raises(MessageTooLarge):
        writer.publish(replace(FIRST, reason="x" * MAX_RECORD_BYTES))

    assert log.records("commit") == ()


def test_an_event_that_another_replica_wrote_first_counts_as_said(log: MemoryLog, writer: Writer) -> None:
    log.append(encode(FIRST, "another replica"))

    assert writer.publish(FIRST).counted


def test_nothing_is_written_to_a_log_that_is_cut(log: MemoryLog) -> None:
    log.append(encode(FIRST, "test"))
    log.truncate("commit", 0, 1)
    with running(Tail(log, TOPIC_NAMES)) as tail:
        eventually(lambda: "the first offset is 1" in tail.problem)

        with pytest.raises(BrokerUnavailable, match="the first offset is 1"):
            Writer(log, tail, "test").publish(FIRST)

    assert log.records("commit") == ()
