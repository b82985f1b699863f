"""Reading whole partitions of Kafka from offset 0: assign(), no group, no commits."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Fetched

from pushline.line.broker import BrokerUnavailable, LineError, LogTruncated, Place
from pushline.line.kafka_clients import Clients, Partitions, says
from pushline.line.kafka_topic_ids import TopicIds
from pushline.line.records import Record

MAX_RECORDS_A_POLL = 500
CONNECT_TIMEOUT_SECONDS = 5.0
LOOK_EVERY_SECONDS = 5.0
LOOK_TIMEOUT_SECONDS = 2.0
CHECK_EVERY_SECONDS = 30.0
GONE = {
    KafkaError._AUTO_OFFSET_RESET: "the place to read from is gone",  # noqa: SLF001 - librdkafka's own codes begin so
    KafkaError.OFFSET_OUT_OF_RANGE: "the place to read from is gone",
    KafkaError._UNKNOWN_TOPIC: "the topic is gone",  # noqa: SLF001 - librdkafka's own codes begin so
    KafkaError._UNKNOWN_PARTITION: "the partition is gone",  # noqa: SLF001 - librdkafka's own codes begin so
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic is gone",
    KafkaError.UNKNOWN_TOPIC_ID: "the topic is another one than before",
    KafkaError.INCONSISTENT_TOPIC_ID: "the topic is another one than before",
}


class KafkaReader:
    """Implements Reader. Every few seconds, and while brokers are down, it also looks whether the log is still the same one."""

    def __init__(
        self, clients: Clients, topics: Sequence[str], begin: Mapping[Place, int] = {}, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` raises LineError where the topics are set up wrongly; it is asked now and then."""
        self._clients = clients
        self._check, self._check_at = check, time.monotonic() + CHECK_EVERY_SECONDS
        self._down = False
        self._trouble: LineError | None = None
        self._consumer = clients.consumer(self._on_error)
        self._asking_lock = Lock()  # nobody asks a client that is being closed
        self._asking = clients.consumer()  # a broker answers a connection in order: a question would wait out an idle fetch
        self._ids: TopicIds | None = None
        try:
            counts = Partitions(self._asking, clients).of(topics, CONNECT_TIMEOUT_SECONDS)
            self._next: dict[Place, int] = {
                place: begin.get(place, 0) for name in topics for place in ((name, number) for number in range(counts[name]))
            }
            self._ids = TopicIds(clients, topics, self._asking)
            self._look(CONNECT_TIMEOUT_SECONDS)
        except LineError:
            self.close()
            raise
        self._consumer.assign([TopicPartition(clients.topic(name), number, at) for (name, number), at in self._next.items()])

    def poll(self, timeout_seconds: float) -> Sequence[Record]:
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        if self._down or time.monotonic() >= self._look_at:
            self._look(LOOK_TIMEOUT_SECONDS)
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return ()
        return self._take([first, *self._consumer.consume(MAX_RECORDS_A_POLL - 1, 0)])

    def position(self) -> dict[Place, int]:
        return dict(self._next)

    def end(self, timeout_seconds: float) -> dict[Place, int]:
        return self._offsets(OFFSET_END, timeout_seconds)

    def identity(self) -> Mapping[str, str]:
        return self._ids.first if self._ids is not None else {}

    def close(self) -> None:
        self._consumer.close()
        with self._asking_lock:
            self._asking.close()
        if self._ids is not None:
            self._ids.close()

    def _take(self, messages: list[Fetched]) -> list[Record]:
        """Give the records; what is wrong behind them is raised by the next poll, so that none is skipped."""
        records: list[Record] = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(self._record(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
                self._move(message)
            else:
                self._trouble = self._trouble or self._name(error, message)
        return records

    def _record(self, message: Fetched) -> Record:
        name, partition, offset = self._clients.place(message)
        self._next[name, partition] = offset + 1
        _, timestamp_ms = message.timestamp()
        headers = tuple(cast("list[tuple[str, bytes | None]]", message.headers() or []))
        return Record(name, partition, offset, message.key(), message.value(), headers, timestamp_ms)

    def _move(self, message: Fetched) -> None:
        """Step over control records at the end of a partition: they are never given, but they take offsets."""
        name, partition, offset = self._clients.place(message)
        self._next[name, partition] = max(self._next[name, partition], offset)

    def _name(self, error: KafkaError, message: Fetched) -> LineError:
        if error.code() in GONE:
            name, partition, _ = self._clients.place(message)
            return LogTruncated(name, partition, GONE[error.code()])
        return BrokerUnavailable(says(error))

    def _look(self, timeout_seconds: float) -> None:
        """Raise LogTruncated where a partition begins above 0 or ends before the place read, or a topic has another id."""
        for (topic, partition), first in self._offsets(OFFSET_BEGINNING, timeout_seconds).items():
            if first > 0:
                raise LogTruncated(topic, partition, f"the first offset is {first}, not 0")
        for place, end in self._offsets(OFFSET_END, timeout_seconds).items():
            if end < self._next[place]:
                raise LogTruncated(*place, f"the end is {end}, behind the place read, {self._next[place]}")
        if self._ids is not None:
            self._ids.check(timeout_seconds)
        if time.monotonic() >= self._check_at:
            self._check()
            self._check_at = time.monotonic() + CHECK_EVERY_SECONDS
        self._down = False
        self._look_at = time.monotonic() + LOOK_EVERY_SECONDS

    def _offsets(self, which: int, timeout_seconds: float) -> dict[Place, int]:
        """Ask for one end of all partitions in one request a broker."""
        asked = [TopicPartition(self._clients.topic(topic), partition, which) for topic, partition in self._next]
        try:
            with self._asking_lock:
                answers = self._asking.offsets_for_times(asked, timeout=timeout_seconds)
        except KafkaException as error:
            self._name_missing(error.args[0], timeout_seconds)
            raise BrokerUnavailable(f"{self._clients.bootstrap}: {says(error.args[0])}") from None
        except RuntimeError:
            raise BrokerUnavailable("the reader is closed") from None
        for answer in answers:
            if answer.error is not None:
                self._name_missing(answer.error, timeout_seconds)
                raise BrokerUnavailable(f"topic {answer.topic} partition {answer.partition}: {says(answer.error)}")
        return {(self._clients.name(answer.topic), answer.partition): answer.offset for answer in answers}

    def _name_missing(self, error: KafkaError, timeout_seconds: float) -> None:
        """Raise BrokerUnavailable for a topic that is not there, LogTruncated for one that is there anew, where the error is that.

        NOTE: a client that was told once that a topic is gone says so on, long after it was made anew.
        """
        if error.code() in GONE:
            Partitions(self._asking, self._clients).of(sorted({name for name, _ in self._next}), timeout_seconds)
            if self._ids is not None:
                self._ids.check(timeout_seconds)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes begin so
            self._down = True
