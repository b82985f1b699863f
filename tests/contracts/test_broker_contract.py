"""What every broker promises, whichever adapter stands behind the port."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pushline.line.broker import (
    MAX_RECORD_BYTES,
    AppendUnknown,
    BrokerUnavailable,
    Log,
    LogTruncated,
    MessageTooLarge,
    Ownership,
    Reader,
)
from pushline.line.ids import partition_of
from pushline.line.kafka import KafkaLog
from pushline.line.memory import Fate, MemoryLog
from pushline.line.records import Message, Record
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker
from tests.server_kinds import EMBEDDED, topics
from tests.servers import BrokerAddress
from tests.waiting import until

DEADLINE_SECONDS = 20.0
HEADERS = (("ce_id", b"1"), ("ce_id", b"again"), ("odd", b"\xff\x00"))


@dataclass(frozen=True)
class Subject:
    """A log on topics of its own, another one on the same topics, and one whose broker is away. `lose` loses what was written."""

    log: Log
    other: Log
    away: Log
    lose: Callable[[str, int], None]


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[BrokerAddress]:
    with EmbeddedBroker() as running:
        yield BrokerAddress(running.bootstrap, dict(KAFKA_OPTIONS), EMBEDDED)


@pytest.fixture(params=["memory", "embedded", "kafka"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        memory, nowhere = MemoryLog(), MemoryLog()
        nowhere.set_unavailable(True)
        yield Subject(memory, memory, nowhere, lambda topic, partition: memory.truncate(topic, partition, 1))
        return
    address = request.getfixturevalue("embedded_broker" if request.param == "embedded" else "broker_address")
    with ExitStack() as stack:
        prefix = stack.enter_context(topics(address, f"contract-{uuid4().hex[:12]}."))
        places = (address.bootstrap, address.bootstrap, "127.0.0.1:1")
        log, other, away = (stack.enter_context(closing(KafkaLog(place, prefix, address.options))) for place in places)
        yield Subject(log, other, away, partial(lose, address, prefix))


def a_message(number: int = 0, key: bytes = b"digits", topic: str = "commit") -> Message:
    return Message(topic, key, b"value %d" % number, HEADERS)


def read(reader: Reader, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(records) < count and time.monotonic() < deadline:
        records.extend(reader.poll(0.1))
    return records


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


def test_a_reader_begins_where_it_is_told(subject: Subject) -> None:
    written = [subject.log.append(a_message(number)) for number in range(5)]
    place = (written[3].topic, written[3].partition)
    with closing(subject.log.reader(["commit"], {place: 3})) as reader:
        assert [record.offset for record in read(reader, 2)] == [3, 4]
        assert reader.position()[place] == 5


def test_a_reader_that_is_to_begin_behind_the_end_says_so(subject: Subject) -> None:
    written = subject.log.append(a_message())
    with pytest.raises(LogTruncated, match="behind the place read"):
        subject.log.reader(["commit"], {(written.topic, written.partition): 7})


def test_two_readers_of_a_topic_name_it_alike(subject: Subject) -> None:
    with closing(subject.log.reader(["commit"])) as first, closing(subject.other.reader(["commit"])) as second:
        assert dict(first.identity()) == dict(second.identity())


def test_a_record_lies_in_the_log_as_it_was_appended(subject: Subject) -> None:
    message = a_message()

    appended = subject.log.append(message)

    with closing(subject.other.reader(["commit"])) as reader:
        (found,) = read(reader, 1)
    assert replace(found, timestamp_ms=0) == replace(appended, timestamp_ms=0)
    assert (found.topic, found.key, found.value, found.headers) == ("commit", b"digits", b"value 0", HEADERS)
    assert (found.partition, found.offset) == (partition_of(b"digits", 4), 0)


def test_offsets_of_a_partition_rise_by_one_in_the_order_of_appending(subject: Subject) -> None:
    appended = [subject.log.append(a_message(number)) for number in range(20)]

    with closing(subject.log.reader(["commit"])) as reader:
        found = read(reader, 20)
    assert [record.offset for record in appended] == list(range(20))
    assert values(found) == [b"value %d" % number for number in range(20)]


def test_every_reader_starts_at_the_first_record(subject: Subject) -> None:
    subject.log.append(a_message())

    with closing(subject.log.reader(["commit"])) as first, closing(subject.log.reader(["commit"])) as second:
        assert values(read(first, 1)) == values(read(second, 1)) == [b"value 0"]


def test_a_reader_gives_what_comes_while_it_reads(subject: Subject) -> None:
    with closing(subject.log.reader(["commit", "trained"])) as reader:
        assert list(reader.poll(0.05)) == []

        subject.other.append(a_message(1))
        subject.other.append(a_message(2, topic="trained"))

        assert sorted(values(read(reader, 2)), key=str) == [b"value 1", b"value 2"]


def test_a_reader_knows_its_place_and_the_end(subject: Subject) -> None:
    place = ("commit", partition_of(b"digits", 4))
    for number in range(3):
        subject.log.append(a_message(number))

    with closing(subject.log.reader(["commit"])) as reader:
        assert reader.position() == dict.fromkeys([("commit", number) for number in range(4)], 0)
        assert reader.end(5.0)[place] == 3
        read(reader, 3)
        assert reader.position() == reader.end(5.0)


def test_threads_append_side_by_side(subject: Subject) -> None:
    with ThreadPoolExecutor(8) as pool:
        appended = list(pool.map(subject.log.append, [a_message(number) for number in range(200)]))

    assert sorted(record.offset for record in appended) == list(range(200))


def test_any_topic_takes_dead_letters(subject: Subject) -> None:
    subject.log.append(a_message(topic="dlq.commit"))

    with closing(subject.log.reader(["dlq.commit"])) as reader:
        assert [record.topic for record in read(reader, 1)] == ["dlq.commit"]


def test_a_record_of_64_kib_passes_and_a_larger_one_is_not_sent(subject: Subject) -> None:
    empty = Message("commit", b"digits", b"", HEADERS)
    largest = replace(empty, value=b"x" * (MAX_RECORD_BYTES - empty.size))

    with pytest.raises(MessageTooLarge, match="the limit is 65536"):
        subject.log.append(replace(largest, value=largest.value + b"x"))
    subject.log.append(largest)

    with closing(subject.log.reader(["commit"])) as reader:
        assert values(read(reader, 1)) == [largest.value]
        assert sum(reader.end(5.0).values()) == 1


def test_every_topic_has_the_same_partitions(subject: Subject) -> None:
    assert subject.log.partitions() == 4


def test_the_partition_is_the_one_that_ids_say(subject: Subject) -> None:
    keys = [b"k" * length + str(number).encode() for length in range(9) for number in range(25)] + [
        "größe-é".encode(),
        b"\xff\x80\x00",
    ]

    found = {record.key: record.partition for record in (subject.log.append(a_message(key=key)) for key in keys)}

    assert found == {key: partition_of(key, 4) for key in keys}


def test_a_broker_that_is_away_says_so(subject: Subject) -> None:
    calls: list[Callable[[], object]] = [
        lambda: subject.away.append(a_message(), 0.2),
        lambda: subject.away.reader(["commit"]),
        subject.away.partitions,
    ]

    for call in calls:
        with pytest.raises(BrokerUnavailable):
            call()


def test_a_group_divides_the_partitions_and_heirs_inherit(subject: Subject) -> None:
    first: Ownership = subject.log.ownership("trainer", "commit")
    until(lambda: len(first.poll()) == 4)

    second: Ownership = subject.other.ownership("trainer", "commit")
    until(lambda: len(first.poll()) == len(second.poll()) == 2)
    assert first.poll() | second.poll() == {0, 1, 2, 3}

    first.commit({0: 1, 1: 1, 2: 1, 3: 1})
    first.close()
    until(lambda: len(second.poll()) == 4)
    second.close()


def test_groups_do_not_see_each_other(subject: Subject) -> None:
    members = [subject.log.ownership("trainer", "commit"), subject.log.ownership("evaluator", "trained")]

    until(lambda: all(len(member.poll()) == 4 for member in members))
    for member in members:
        member.close()


def test_a_first_offset_above_0_voids_the_fold(subject: Subject) -> None:
    reader = subject.log.reader(["commit"])
    reader.poll(0.05)
    partition = partition_of(b"digits", 4)
    subject.log.append(a_message())
    subject.lose("commit", partition)

    with closing(reader), pytest.raises(LogTruncated) as running:
        until(lambda: reader.poll(0.1) is None)
    with pytest.raises(LogTruncated, match=f"topic commit partition {partition}: the first offset is"):
        subject.log.reader(["commit"])

    assert (running.value.topic, running.value.partition) == ("commit", partition)


def lose(address: BrokerAddress, prefix: str, topic: str, partition: int) -> None:
    if address.said == EMBEDDED:
        overflow(address, prefix, topic)
        return
    with AdminClient({"bootstrap.servers": address.bootstrap}) as admin:
        for future in admin.delete_records([TopicPartition(f"{prefix}{topic}", partition, 1)]).values():
            future.result(10)


def overflow(address: BrokerAddress, prefix: str, topic: str) -> None:
    """Append what the mock cluster does not keep: it forgets the first records after some megabytes."""
    message = Message(topic, b"digits", b"x" * 60_000, ())
    with closing(KafkaLog(address.bootstrap, prefix, address.options)) as log, ThreadPoolExecutor(8) as pool:
        list(pool.map(log.append, [message] * 400))


@pytest.mark.parametrize(
    ("fate", "at_once", "after_release"),
    [(Fate.WRITTEN, [b"value 0"], [b"value 0"]), (Fate.HELD, [], [b"value 0"]), (Fate.LOST, [], [])],
)
def test_an_append_without_a_report_has_the_fate_that_was_set(fate: Fate, at_once: list[bytes], after_release: list[bytes]) -> None:
    log = MemoryLog()
    log.fail_next(fate)

    with pytest.raises(AppendUnknown):
        log.append(a_message())

    assert values(log.records("commit")) == at_once
    log.release()
    assert values(log.records("commit")) == after_release


def test_a_broker_in_memory_goes_away_and_comes_back_with_nothing_skipped() -> None:
    log = MemoryLog()
    reader = log.reader(["commit"])
    log.append(a_message())
    log.set_unavailable(True)

    for call in (lambda: reader.poll(0), lambda: reader.end(0), lambda: log.append(a_message()), log.partitions):
        with pytest.raises(BrokerUnavailable):
            call()
    log.set_unavailable(False)

    assert values(reader.poll(0)) == [b"value 0"]


def test_a_topic_in_memory_that_is_made_anew_voids_the_fold() -> None:
    log = MemoryLog()
    reader = log.reader(["commit"])
    log.append(a_message())
    log.recreate("commit")

    with pytest.raises(LogTruncated, match="another one than before"):
        reader.poll(0)

    assert list(log.reader(["commit"]).poll(0)) == []


def test_an_offset_without_a_record_is_stepped_over() -> None:
    log = MemoryLog()
    log.append(a_message(0))
    partition = partition_of(b"digits", 4)
    log.skip_offset("commit", partition)
    log.append(a_message(1))
    log.skip_offset("commit", partition)
    reader = log.reader(["commit"])

    assert [record.offset for record in reader.poll(0)] == [0, 2]
    assert reader.position() == reader.end(0)


def test_a_member_that_is_expelled_owns_nothing_and_its_heir_everything() -> None:
    log = MemoryLog()
    first, second = log.ownership("trainer", "commit"), log.ownership("trainer", "commit")
    first.poll()
    first.expel()

    assert first.poll() == frozenset()
    assert second.poll() == {0, 1, 2, 3}


def test_a_partition_comes_to_its_next_owner_only_after_the_last_one_let_go() -> None:
    log = MemoryLog()
    first = log.ownership("trainer", "commit")
    assert first.poll() == {0, 1, 2, 3}

    second = log.ownership("trainer", "commit")

    assert second.poll() == frozenset()
    assert first.poll() == {0, 2}
    assert second.poll() == {1, 3}
