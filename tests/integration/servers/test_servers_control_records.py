"""Somebody else's transactions on the line's topics: markers take offsets, and what is still open holds up nobody."""

import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from pushline.line.codec import encode
from pushline.line.events import CommitPushed
from pushline.line.ids import partition_of
from pushline.line.kafka import KafkaLog
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.line.writer import Writer
from tests.server_kinds import PARTITIONS
from tests.servers import BrokerAddress
from tests.unit.line.model import making as make
from tests.waiting import until

MODEL, TAKEN_SECONDS = "digits", 5.0
PLACE = partition_of(MODEL.encode(), PARTITIONS)


@pytest.fixture
def log(broker_address: BrokerAddress, topic_prefix: str) -> Iterator[KafkaLog]:
    with closing(KafkaLog(broker_address.bootstrap, topic_prefix, broker_address.options)) as made:
        yield made


@pytest.fixture
def stranger(broker_address: BrokerAddress) -> Producer:
    """Give somebody else's transactional producer."""
    settings = {
        "bootstrap.servers": broker_address.bootstrap,
        "transactional.id": f"stranger-{uuid4().hex}",
        **broker_address.options,
    }
    producer: Producer = Producer(settings)
    producer.init_transactions(20)
    return producer


def write(stranger: Producer, topic: str) -> None:
    """Begin a transaction and write into the partition of the model; the record lies in the log when this returns."""
    stranger.begin_transaction()
    stranger.produce(topic, b"no event of ours", key=b"stranger", partition=PLACE)
    assert stranger.flush(20) == 0


def settled(log: KafkaLog, end: int) -> None:
    """Wait for the marker, which the broker writes after it answered."""
    with closing(log.reader(["commit"])) as reader:
        until(lambda: reader.end(TAKEN_SECONDS)["commit", PLACE] >= end, what="the marker in the log")


def push(generation: int) -> CommitPushed:
    return make.push(MODEL, generation, previous=generation - 1)


def test_a_fold_steps_over_markers_of_transactions_wherever_they_lie(log: KafkaLog, stranger: Producer, topic_prefix: str) -> None:
    first = log.append(encode(push(1), "test"))
    for number, end in enumerate((stranger.commit_transaction, stranger.abort_transaction), 1):
        write(stranger, f"{topic_prefix}commit")
        end(20)
        settled(log, first.offset + 1 + 2 * number)
    second = log.append(encode(push(2), "test"))
    write(stranger, f"{topic_prefix}commit")
    stranger.commit_transaction(20)  # its marker is the last thing in the partition
    settled(log, second.offset + 3)

    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    until(lambda: tail.problem == "", what="a fold up to the marker at the end")
    tail.catch_up(TAKEN_SECONDS)

    assert second.offset - first.offset == 5  # two foreign records and two markers between them
    assert tail.folded_of("commit")[PLACE] == second.offset + 3
    with tail.read() as ledger:
        assert ledger.line(MODEL).newest_generation == 2
        assert ledger.broken_rules == {}
    tail.stop()


def test_a_transaction_that_stays_open_delays_nobody(log: KafkaLog, stranger: Producer, topic_prefix: str) -> None:
    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    until(lambda: tail.problem == "")
    writer = Writer(log, tail, "test")
    write(stranger, f"{topic_prefix}commit")
    began = time.monotonic()

    published = writer.publish(push(1))
    tail.catch_up(TAKEN_SECONDS)
    late = Tail(log, TOPIC_NAMES)
    late.start()
    until(lambda: late.problem == "", what="a reader that starts behind the open transaction")

    assert published.counted
    assert time.monotonic() - began < TAKEN_SECONDS
    with late.read() as ledger:
        assert ledger.line(MODEL).newest_generation == 1
    stranger.abort_transaction(20)
    assert writer.publish(push(2)).counted
    for each in (tail, late):
        each.stop()
