"""librdkafka's clients with the settings that the line's promises hang on, and what is asked of them all alike."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from pushline.line.broker import BrokerUnavailable, LineError

Config = dict[str, Any]
OnError = Callable[[KafkaError], None]
C = TypeVar("C", Producer, Consumer, AdminClient)

SAY_AGAIN_SECONDS = 30.0


class _Seldom(logging.Filter):
    """Pass one line of a kind in a while: a client without its broker says several a second, for hours."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        facility = record.args[0] if isinstance(record.args, tuple) and record.args else record.msg
        kind = (record.levelno, str(facility)[:20])
        last = self._said.get(kind)
        if last is not None and record.created - last < SAY_AGAIN_SECONDS:
            return False
        self._said[kind] = record.created
        return True


LOGGER = logging.getLogger("pushline.line.kafka")  # librdkafka's own lines
LOGGER.addHandler(logging.NullHandler())
LOGGER.addFilter(_Seldom())

_COMMON: Config = {
    "socket.keepalive.enable": True,
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 1_000,
    "log.connection.close": False,
}
_PRODUCER: Config = {"acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 0}
_CONSUMER: Config = {
    "auto.offset.reset": "error",
    "isolation.level": "read_uncommitted",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
}
_GROUP: Config = {
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000,
}
_PRODUCERS_ALONE = (
    "acks",
    "batch.",
    "compression.",
    "delivery.",
    "linger.",
    "message.",
    "queue.",
    "retries",
    "sticky.",
    "transaction",
)
_CONSUMERS_ALONE = (
    "auto.",
    "check.",
    "enable.auto",
    "fetch.",
    "group.",
    "heartbeat.",
    "max.p",
    "partition.",
    "queued.",
    "session.",
)
_MEMBERS_ALONE = ("group.", "heartbeat.", "max.poll.", "partition.assignment.", "session.")


@dataclass(frozen=True)
class Clients:
    bootstrap: str
    prefix: str
    options: dict[str, str]
    replica: str = ""

    def producer(self, on_error: OnError) -> Producer:
        return _make(Producer, self._common(_CONSUMERS_ALONE) | _PRODUCER | {"error_cb": on_error})

    def consumer(self, on_error: OnError = lambda _: None) -> Consumer:
        """Make a consumer that reads by assign(); its group id is a formality and never reaches a broker's list of groups."""
        settings = {"group.id": f"{self.prefix}reader", "error_cb": on_error}
        return _make(Consumer, self._common(_PRODUCERS_ALONE + _MEMBERS_ALONE) | _CONSUMER | settings)

    def member(self, group: str) -> Consumer:
        """Make a member of a group. With the option group.protocol=consumer (KIP-848) the broker holds what _GROUP says.

        A named replica is a static member: killed and started again it has its partitions at once. KIP-848 refuses the second
        one until the first one's session is over, so there the name is not given.
        """
        static = {"group.instance.id": self.replica} if self.replica else {}
        classic = {} if self.options.get("group.protocol") == "consumer" else _GROUP | static
        settings = {"group.id": f"{self.prefix}{group}", "enable.partition.eof": False}
        return _make(Consumer, self._common(_PRODUCERS_ALONE) | _CONSUMER | classic | settings)

    def admin(self) -> AdminClient:
        """Make one that somebody has to close, with close_admin() or `with`."""
        return _make(AdminClient, self._common(_CONSUMERS_ALONE + _PRODUCERS_ALONE))

    def topic(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def name(self, topic: str) -> str:
        return topic.removeprefix(self.prefix)

    def place(self, message: Message) -> tuple[str, int, int]:
        """Give topic without prefix, partition and offset; librdkafka's types leave them open, a record in the log has them."""
        return self.name(message.topic() or ""), message.partition() or 0, message.offset() or 0

    def _common(self, without: tuple[str, ...]) -> Config:
        options = {name: value for name, value in self.options.items() if not name.startswith(without)}
        return _COMMON | options | {"bootstrap.servers": self.bootstrap, "logger": LOGGER}


@dataclass(frozen=True)
class Partitions:
    client: Consumer | Producer
    clients: Clients

    def of(self, topics: Sequence[str], timeout_seconds: float) -> dict[str, int]:
        """Ask for the number of partitions of each topic. Raises BrokerUnavailable, for a topic that is not there too."""
        return {name: self._count(name, timeout_seconds) for name in topics}

    def _count(self, name: str, timeout_seconds: float) -> int:
        topic = self.clients.topic(name)
        try:
            found = self.client.list_topics(topic, timeout=max(timeout_seconds, 0.001)).topics[topic]
        except KafkaException as error:
            raise BrokerUnavailable(f"{self.clients.bootstrap}: {says(error.args[0])}") from None
        if found.error is not None:
            raise BrokerUnavailable(f"topic {topic}: {says(found.error)}")
        return len(found.partitions)


def close_admin(client: AdminClient) -> None:
    """End it here and now. One that is left to the garbage collector may be collected by a thread of its own, in the middle of an
    answer; librdkafka then aborts the process (confluent-kafka-python pull request 2131).
    """
    with client:
        pass


def says(error: KafkaError) -> str:
    return f"{error.str()} ({error.name()})"


def _make(kind: Callable[[Config], C], settings: Config) -> C:
    try:
        return kind(settings)
    except KafkaException as error:
        raise LineError(f"Kafka client options: {says(error.args[0])}") from None
