"""The broker and the object store for one machine: real Kafka and S3 protocols, nothing to install, nothing kept after the end.

Each is a process of its own, so that neither shares an interpreter with its callers, and can be stopped or killed like a real one.
"""

from pathlib import Path

from confluent_kafka import Producer

from pushline.line.topics import TOPICS
from pushline.servers.child import ServerProcess

BUCKET = "pushline"
METADATA_TIMEOUT_SECONDS = 10.0
KAFKA_OPTIONS = {
    "fetch.wait.max.ms": "10",  # the mock cluster waits an idle fetch out, whatever is appended meanwhile
    "group.protocol": "consumer",  # its classic groups rest 3 s before the first assignment
}


class EmbeddedBroker(ServerProcess):
    """librdkafka's mock cluster with the line's topics and dead-letter topics, 4 partitions each.

    Clients should be given KAFKA_OPTIONS. It has no admin calls and a constant timestamp, and forgets old records of a partition
    after some megabytes.
    """

    def __init__(self) -> None:
        super().__init__("pushline.servers.broker_process")

    @property
    def bootstrap(self) -> str:
        return self.said["bootstrap"]


class EmbeddedStore(ServerProcess):
    """moto's S3 server with the bucket `pushline`; what it holds lies in memory and, above some size, in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("pushline.servers.store_process", str(folder))
        self.bucket = BUCKET

    @property
    def endpoint(self) -> str:
        return self.said["endpoint"]

    @property
    def access_key(self) -> str:
        return self.said["access_key"]

    @property
    def secret_key(self) -> str:
        return self.said["secret_key"]


def create_topics(producer: Producer, prefix: str = "") -> None:
    """Make the line's topics and their dead-letter topics on a mock cluster, which makes a topic that a producer asks for."""
    for topic in TOPICS:
        for name in (topic.name, topic.dead_letters):
            producer.list_topics(f"{prefix}{name}", timeout=METADATA_TIMEOUT_SECONDS)
