"""Kafka behind the broker port, by confluent-kafka (librdkafka): the log of one cluster, seen through one topic prefix.

Appending is in kafka_append.py, reading in kafka_reader.py, dividing partitions among replicas in kafka_ownership.py.
"""

from collections.abc import Mapping, Sequence

from pushline.line.broker import LineError, Place
from pushline.line.kafka_append import Appender
from pushline.line.kafka_clients import Clients, Partitions
from pushline.line.kafka_ownership import KafkaOwnership
from pushline.line.kafka_reader import KafkaReader
from pushline.line.records import Message, Record
from pushline.line.topics import TOPIC_NAMES

METADATA_TIMEOUT_SECONDS = 5.0


class KafkaLog:
    """Implements Log. Connects when first used. `options` are librdkafka's (security.protocol, fetch.wait.max.ms, …).

    What the line's promises hang on (acks, idempotence, partitioner, offset reset, isolation, commits) no option changes.
    """

    def __init__(
        self, bootstrap: str, prefix: str = "", options: Mapping[str, str] = {}, *, replica: str = "", check_topics: bool = False
    ) -> None:
        """`replica` names a member of groups that comes back; `check_topics` refuses to read topics with wrong settings."""
        self._clients = Clients(bootstrap, prefix, dict(options), replica)
        self._appender = Appender(self._clients)
        self._check_topics = check_topics

    def append(self, message: Message, timeout_seconds: float = 10.0) -> Record:
        return self._appender.append(message, timeout_seconds)

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> KafkaReader:
        if not self._check_topics:
            return KafkaReader(self._clients, topics, begin)
        self._check(topics)
        return KafkaReader(self._clients, topics, begin, lambda: self._check(topics))

    def ownership(self, group: str, topic: str) -> KafkaOwnership:
        return KafkaOwnership(self._clients, group, topic)

    def partitions(self) -> int:
        consumer = self._clients.consumer()
        try:
            counts = Partitions(consumer, self._clients).of(TOPIC_NAMES, METADATA_TIMEOUT_SECONDS)
        finally:
            consumer.close()
        if len(set(counts.values())) > 1:
            raise LineError(f"the topics differ in their number of partitions: {counts}")
        return next(iter(counts.values()))

    def close(self) -> None:
        self._appender.close()

    def _check(self, topics: Sequence[str]) -> None:
        from pushline.line.kafka_topics import KafkaTopics, WrongTopics  # noqa: PLC0415 - an admin client, for those who check alone

        with KafkaTopics(self._clients.bootstrap, self._clients.prefix, self._clients.options) as found:
            wrong = found.check(topics)
        if wrong:
            raise WrongTopics(wrong)
