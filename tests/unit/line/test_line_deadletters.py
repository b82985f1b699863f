import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pushline.line.broker import MAX_RECORD_BYTES
from pushline.line.codec import encode
from pushline.line.deadletters import DeadLetters, letter_id
from pushline.line.letters import ID_HEADER
from pushline.line.memory import Fate, MemoryLog
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, DEPLOYED, SERVED
from tests.unit.line.model import making as make
from tests.unit.line.waiting import TOPIC_NAMES, eventually, running

EVERYTHING = frozenset(range(make.PARTITIONS))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(make.PARTITIONS)


@contextmanager
def reading(log: MemoryLog, letters: DeadLetters) -> Iterator[Tail]:
    with running(Tail(log, TOPIC_NAMES, on_fold=letters.note)) as tail:
        eventually(lambda: tail.problem == "")
        yield tail


def told(record: Record) -> dict[str, str]:
    return {name: (data or b"").decode() for name, data in record.headers}


def test_bytes_that_are_no_event_are_copied_as_they_were(log: MemoryLog) -> None:
    log.append(encode(make.push("a", 1, previous=0), "test"))
    bad = log.inject("commit", 0, b"a", b"\x00rubbish", (("ce_type", b"x"), ("y", b"\xff"), ("z", None)))
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters):
        assert letters.write(EVERYTHING) == 1

    (copy,) = log.records("dlq.commit")
    headers = dict(copy.headers)
    assert (copy.key, copy.value, headers["y"]) == (bad.key, bad.value, b"\xff")
    assert headers[ID_HEADER] == letter_id("commit", 0, 1).encode()
    assert (headers["_dlq.errors.topic"], headers["_dlq.errors.partition"]) == (b"commit", b"0")
    assert (headers["_dlq.errors.offset"], headers["_dlq.errors.message"]) == (b"1", b"header ce_specversion is not 1.0")


def test_what_can_be_decoded_never_goes_there(log: MemoryLog) -> None:
    push = make.push("a", 1, previous=0)
    letters = DeadLetters(log, (COMMIT,))
    with reading(log, letters) as tail:
        for _ in range(2):  # the second one is invalid
            log.append(encode(push, "test"))
        newer = dict(encode(push, "test").headers) | {"ce_type": b"dev.pushline.commit.v2"}
        log.inject("commit", 0, b"a", encode(push, "test").value, tuple(newer.items()))
        tail.catch_up(10)

        assert letters.write(EVERYTHING) == 0

    assert log.records("dlq.commit") == ()


def test_each_topic_has_one_stage_that_writes_its_letters(log: MemoryLog) -> None:
    for topic in TOPIC_NAMES:
        log.inject(topic, 0, b"a", b"rubbish")
    deployers = DeadLetters(log, (DEPLOYED, SERVED))

    with reading(log, deployers):
        assert deployers.write(EVERYTHING) == 2

    assert [len(log.records(f"dlq.{topic}")) for topic in TOPIC_NAMES] == [0, 0, 0, 1, 1]


def test_a_letter_is_written_once_whatever_restarts(log: MemoryLog) -> None:
    log.inject("commit", 0, b"a", b"rubbish")

    for written in (1, 0, 0):
        letters = DeadLetters(log, (COMMIT,))
        with reading(log, letters):
            assert [letters.write(EVERYTHING), letters.write(EVERYTHING)] == [written, 0]

    assert len(log.records("dlq.commit")) == 1


def test_only_the_owner_of_a_partition_writes(log: MemoryLog) -> None:
    log.inject("commit", 0, b"a", b"rubbish")
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters):
        assert letters.write(frozenset({1})) == 0
        assert letters.write(frozenset({0})) == 1


def test_a_partition_that_goes_from_one_replica_to_another_and_back_has_each_letter_once(log: MemoryLog) -> None:
    one, two = DeadLetters(log, (COMMIT,)), DeadLetters(log, (COMMIT,))
    with reading(log, one) as first, reading(log, two) as second:
        log.inject("commit", 0, b"a", b"rubbish")
        first.catch_up(10)
        assert one.write(EVERYTHING) == 1

        log.inject("commit", 0, b"a", b"more rubbish")
        for tail in (first, second):
            tail.catch_up(10)
        assert two.write(EVERYTHING) == 1
        assert one.write(EVERYTHING) == 0

    assert len(log.records("dlq.commit")) == 2


@pytest.mark.parametrize(("fate", "copies"), [(Fate.WRITTEN, 1), (Fate.LOST, 1), (Fate.HELD, 2)])
def test_an_append_without_a_report_is_looked_for_before_it_is_tried_again(log: MemoryLog, fate: Fate, copies: int) -> None:
    log.inject("commit", 0, b"a", b"rubbish")
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters):
        log.fail_next(fate)
        assert letters.write(EVERYTHING) == 0
        assert letters.problem.startswith("dead letter of commit/0/0: ")
        letters.write(EVERYTHING)
        log.release()

    assert letters.problem == ""
    assert len(log.records("dlq.commit")) == copies
    assert len({told(record)[ID_HEADER] for record in log.records("dlq.commit")}) == 1


def test_a_broker_that_is_away_is_waited_out(log: MemoryLog) -> None:
    log.inject("commit", 0, b"a", b"rubbish")
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters):
        log.set_unavailable(away=True)
        assert letters.write(EVERYTHING) == 0
        assert "away" in letters.problem
        log.set_unavailable(away=False)
        assert letters.write(EVERYTHING) == 1
        assert letters.problem == ""


@pytest.mark.parametrize("value", [b"x" * 1_000_000, b"", None], ids=["huge", "empty", "none"])
@pytest.mark.parametrize("key", [b"k" * 60_000, b"", None], ids=["huge", "empty", "none"])
@pytest.mark.parametrize("header", [b"h" * 60_000, None], ids=["huge", "none"])
def test_any_record_fits_into_a_letter(log: MemoryLog, value: bytes | None, key: bytes | None, header: bytes | None) -> None:
    log.inject("commit", 0, key, value, (("h", header),))
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters):
        assert letters.write(EVERYTHING) == 1

    (copy,) = log.records("dlq.commit")
    size = len(copy.key or b"") + len(copy.value or b"") + sum(len(name) + len(data or b"") for name, data in copy.headers)
    assert size <= MAX_RECORD_BYTES
    assert told(copy).get("_dlq.errors.cut_from_bytes", "0") == str(len(value or b"") if len(value or b"") > 100 else 0)


def test_a_dead_letter_can_be_replayed(log: MemoryLog) -> None:
    """The same bytes under the same headers are judged like any late record."""
    message = encode(make.push("a", 1, previous=0), "test")
    headers = dict(message.headers) | {"ce_specversion": b"?"}
    log.inject("commit", 0, message.key, message.value, tuple(headers.items()))
    letters = DeadLetters(log, (COMMIT,))

    with reading(log, letters) as tail:
        letters.write(EVERYTHING)
        (copy,) = log.records("dlq.commit")
        log.inject("commit", 0, copy.key, copy.value, tuple((dict(copy.headers) | {"ce_specversion": b"1.0"}).items()))
        tail.catch_up(10)
        with tail.read() as ledger:
            assert ledger.line("a").newest_generation == json.loads(copy.value or b"")["generation"]
