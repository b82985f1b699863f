"""The line's topics on a Kafka cluster: made with the settings that its promises hang on, held against them, removed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from pushline.line.broker import MAX_RECORD_BYTES, BrokerUnavailable, LineError
from pushline.line.kafka_clients import Clients, close_admin, says
from pushline.line.topics import TOPICS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

TIMEOUT_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 0.01
PARTITIONS, REPLICATION = 4, 1
CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
}
LEAST_MESSAGE_BYTES = 2 * MAX_RECORD_BYTES  # a record with what a batch adds


@dataclass(frozen=True, slots=True)
class WrongTopic:
    """`setting` is a topic's setting, or `topic` where it is not there, or `partitions`."""

    topic: str
    setting: str
    found: str
    expected: str

    def __str__(self) -> str:
        if self.setting == "topic":
            return f"topic {self.topic} is not there"
        return f"topic {self.topic}: {self.setting} is {self.found}, should be {self.expected}"


class WrongTopics(LineError):
    """Topics are missing or have other settings than the line needs; nothing is read or written until somebody mends them."""

    def __init__(self, wrong: Sequence[WrongTopic]) -> None:
        super().__init__("; ".join(str(each) for each in wrong))
        self.wrong = tuple(wrong)


class KafkaTopics:
    """Uses a cluster's admin calls, which librdkafka's mock cluster lacks. Raises BrokerUnavailable, and LineError on a refusal.

    Somebody has to close it: see close_admin().
    """

    def __init__(self, bootstrap: str, prefix: str = "", options: Mapping[str, str] = {}) -> None:
        self._clients = Clients(bootstrap, prefix, dict(options))
        self._admin: AdminClient = self._clients.admin()
        self.names = [self._clients.topic(name) for topic in TOPICS for name in (topic.name, topic.dead_letters)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        close_admin(self._admin)

    def create(self, partitions: int = PARTITIONS, replication: int = REPLICATION) -> list[str]:
        """Make those that are not there; leave the others alone. Give the names of those made."""
        wanted = [NewTopic(name, partitions, replication, config=CONFIG) for name in self.names]
        futures = self._ask(lambda: self._admin.create_topics(wanted, operation_timeout=TIMEOUT_SECONDS))
        made = [name for name, future in futures.items() if self._made(name, future)]
        self._wait_seen()
        return made

    def check(self, topics: Sequence[str] = ()) -> list[WrongTopic]:
        """Give what is wrong, topic by topic, with these or all; empty when all is well, and on a mock cluster."""
        if self._is_mock():
            return []
        names = [self._clients.topic(name) for name in topics] or self.names
        counts = self._counts(names)
        missing = [WrongTopic(name, "topic", "missing", "there") for name in names if name not in counts]
        return missing + _uneven(counts, names) + self._misconfigured([name for name in names if name in counts])

    def remove(self) -> None:
        """Ask for the removal of those that are there, and wait until the cluster has taken the request."""
        for name, future in self._ask(lambda: self._admin.delete_topics(self.names)).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise _named(f"topic {name}", error) from None

    def _made(self, name: str, future: "Future[None]") -> bool:
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise _named(f"topic {name}", error) from None
        return True

    def _wait_seen(self) -> None:
        """A broker hears of a new topic a moment after its making was confirmed, and serves it another moment later."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while problem := self._unseen():
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"a topic that was made does not answer after {TIMEOUT_SECONDS:g} s: {problem}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def _unseen(self) -> str:
        counts = self._counts(self.names)
        if missing := set(self.names) - set(counts):
            return f"{min(missing)} is not there"
        end: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # confluent-kafka leaves it without types
        asked = {TopicPartition(name, number): end for name, count in counts.items() for number in range(count)}
        try:
            for future in self._admin.list_offsets(asked, request_timeout=TIMEOUT_SECONDS).values():
                future.result()
        except KafkaException as error:
            return says(error.args[0])
        return ""

    def _is_mock(self) -> bool:
        told = self._ask(lambda: self._admin.list_topics(timeout=TIMEOUT_SECONDS))
        return str(told.cluster_id or "").startswith("mockCluster")

    def _counts(self, names: list[str]) -> dict[str, int]:
        """Give the partition counts of those that are there."""
        futures = self._ask(lambda: self._admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT_SECONDS))
        counts: dict[str, int] = {}
        for name, future in futures.items():
            try:
                counts[name] = len(future.result().partitions)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise _named(f"topic {name}", error) from None
        return counts

    def _misconfigured(self, names: list[str]) -> list[WrongTopic]:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not asked:
            return []
        futures = self._ask(lambda: self._admin.describe_configs(asked, request_timeout=TIMEOUT_SECONDS))
        found: list[WrongTopic] = []
        for resource, future in futures.items():
            try:
                told = {entry: value.value for entry, value in future.result().items()}
            except KafkaException as error:
                raise _named(f"topic {resource.name}", error) from None
            found.extend(_wrong_settings(resource.name, told))
        return found

    def _ask(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - a dictionary of futures, of another kind for each call
        try:
            return call()
        except KafkaException as error:
            raise _named(self._clients.bootstrap, error) from None


def _uneven(counts: Mapping[str, int], names: Iterable[str]) -> list[WrongTopic]:
    """The first topic's count is taken for right: partitions are never changed."""
    present = [name for name in names if name in counts]
    expected = counts[present[0]] if present else 0
    return [WrongTopic(name, "partitions", str(counts[name]), str(expected)) for name in present if counts[name] != expected]


def _wrong_settings(topic: str, told: Mapping[str, str]) -> list[WrongTopic]:
    wrong = [WrongTopic(topic, name, told.get(name, ""), value) for name, value in CONFIG.items() if told.get(name) != value]
    largest = told.get("max.message.bytes", "")
    if largest.isdigit() and int(largest) < LEAST_MESSAGE_BYTES:
        wrong.append(WrongTopic(topic, "max.message.bytes", largest, f"{LEAST_MESSAGE_BYTES} or more"))
    return wrong


def _named(where: str, error: KafkaException) -> LineError:
    cause: KafkaError = error.args[0]
    kind = BrokerUnavailable if cause.retriable() or cause.code() < 0 else LineError
    return kind(f"{where}: {says(cause)}")
