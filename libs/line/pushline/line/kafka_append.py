"""Appending to Kafka: one idempotent producer for all threads of a process, every append waiting for its own delivery report."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Event, Lock, Thread

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from pushline.line.broker import MAX_RECORD_BYTES, AppendUnknown, BrokerUnavailable, MessageTooLarge
from pushline.line.kafka_clients import Clients, Partitions, says
from pushline.line.records import Message, Record

PUMP_SECONDS = 0.2  # how long a poll for delivery reports may last; bounds the wait in close()
FLUSH_SECONDS = 5.0


class Appender:
    """Thread-safe. Makes its producer at the first append, and a new one after a fatal error."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = Lock()
        self._line: _Producing | None = None

    def append(self, message: Message, timeout_seconds: float) -> Record:
        if message.size > MAX_RECORD_BYTES:
            raise MessageTooLarge(f"a {message.topic} record has {message.size} bytes; the limit is {MAX_RECORD_BYTES}")
        deadline = time.monotonic() + timeout_seconds
        producing = self._producing()
        producing.check_reachable(message.topic, timeout_seconds)
        report = producing.send(message)
        try:
            return report.result(max(deadline - time.monotonic(), 0))
        except TimeoutError:
            raise AppendUnknown(f"no delivery report for a {message.topic} record within {timeout_seconds} s") from None

    def close(self) -> None:
        with self._lock:
            producing, self._line = self._line, None
        if producing is not None:
            producing.close()

    def _producing(self) -> "_Producing":
        with self._lock:
            if self._line is None or self._line.broken:
                broken, self._line = self._line, _Producing(self._clients)
                if broken is not None:
                    broken.abandon()
            return self._line


class _Producing:
    """A producer and the thread that serves its delivery reports."""

    def __init__(self, clients: Clients) -> None:
        self.broken = False
        self._clients = clients
        self._reachable: set[str] = set()
        self._producer: Producer = clients.producer(self._on_error)
        self._stopped = Event()
        self._pump = Thread(target=self._serve, name="kafka-delivery-reports", daemon=True)
        self._pump.start()

    def check_reachable(self, topic: str, timeout_seconds: float) -> None:
        """Ask for the topic where nothing is known of it, or all brokers were last seen down: so nothing is sent into the void."""
        if topic not in self._reachable:
            Partitions(self._producer, self._clients).of([topic], timeout_seconds)
            self._reachable.add(topic)

    def send(self, message: Message) -> "Future[Record]":
        report: Future[Record] = Future()
        topic = self._clients.topic(message.topic)
        try:
            self._producer.produce(
                topic,
                message.value,
                message.key,
                headers=list(message.headers),
                on_delivery=_settle(report, self._clients, message),
            )
        except BufferError:
            raise BrokerUnavailable("the producer's queue is full; nothing was sent") from None
        except KafkaException as error:
            self.broken = self.broken or error.args[0].code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's own codes begin so
            raise BrokerUnavailable(f"nothing was sent: {says(error.args[0])}") from None
        return report

    def close(self) -> None:
        with suppress(KafkaException):  # fatal: nothing more goes out
            self._producer.flush(FLUSH_SECONDS)
        self.abandon()
        self._pump.join()

    def abandon(self) -> None:
        self._stopped.set()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                self._producer.poll(PUMP_SECONDS)
            except KafkaException:  # a fatal error is raised here, and told to no callback; reports still come
                self.broken = True

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes begin so
            self._reachable.clear()


def _settle(report: "Future[Record]", clients: Clients, message: Message) -> Callable[[KafkaError | None, Delivered], None]:
    def on_delivery(error: KafkaError | None, delivered: Delivered) -> None:
        if error is None:
            _, partition, offset = clients.place(delivered)
            _, timestamp_ms = delivered.timestamp()
            report.set_result(Record(message.topic, partition, offset, message.key, message.value, message.headers, timestamp_ms))
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            report.set_exception(
                MessageTooLarge(f"the broker takes no {message.topic} record of {message.size} bytes (max.message.bytes)")
            )
        else:
            report.set_exception(AppendUnknown(f"delivery of a {message.topic} record: {says(error)}"))

    return on_delivery
