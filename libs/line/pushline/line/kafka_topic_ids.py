"""Whether a topic is still the one that was there at first: a topic that is deleted and made again gets another id (KIP-516)."""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection

from pushline.line.broker import BrokerUnavailable, LogTruncated
from pushline.line.kafka_clients import Clients, close_admin, says

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._topic import TopicDescription

CONNECT_TIMEOUT_SECONDS = 5.0


class TopicIds:
    """Remembers the ids at its making. librdkafka's mock cluster has no admin calls: there it knows nothing and never complains."""

    def __init__(self, clients: Clients, topics: Sequence[str], consumer: Consumer) -> None:
        self._clients = clients
        self._topics = topics
        cluster = consumer.list_topics(timeout=CONNECT_TIMEOUT_SECONDS).cluster_id or ""
        self._mock = cluster.startswith("mockCluster")
        self._admin: AdminClient | None = None
        self._lock = Lock()  # nobody asks a client that is being closed
        self.first = self._ask(CONNECT_TIMEOUT_SECONDS)

    def check(self, timeout_seconds: float) -> None:
        """Raises LogTruncated, BrokerUnavailable."""
        now = self._ask(timeout_seconds)
        for topic, first in self.first.items():
            if now[topic] != first:
                raise LogTruncated(topic, 0, f"the topic is another one than before (id {now[topic]}, was {first})")

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _ask(self, timeout_seconds: float) -> dict[str, str]:
        if self._mock:
            return {}
        asked = TopicCollection([self._clients.topic(name) for name in self._topics])
        with self._lock:
            self._admin = self._admin or self._clients.admin()
            try:
                answers = self._admin.describe_topics(asked, request_timeout=timeout_seconds)
                return {self._clients.name(topic): self._id(topic, answer) for topic, answer in answers.items()}
            except KafkaException as error:
                self._let_go()  # it may wait for its controller for ever, long after the broker is back
                raise BrokerUnavailable(f"topic ids: {says(error.args[0])}") from None

    def _id(self, topic: str, answer: "Future[TopicDescription]") -> str:
        """Raises BrokerUnavailable for a topic that is not there, KafkaException."""
        try:
            return str(answer.result().topic_id)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            raise BrokerUnavailable(f"topic {topic}: {says(error.args[0])}") from None

    def _let_go(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            close_admin(admin)
