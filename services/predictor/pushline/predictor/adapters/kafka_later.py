"""Kafka behind the port Log, imported by whoever speaks to it first: a predictor answers out of its cache before."""

import threading
from collections.abc import Mapping, Sequence

from pushline.line.broker import Log, Ownership, Place, Reader
from pushline.line.records import Message, Record
from pushline.runtime.settings import LineSettings


class KafkaLater:
    """Implements Log. Safe to use from many threads."""

    def __init__(self, settings: LineSettings, options: Mapping[str, str]) -> None:
        self._settings, self._options = settings, options
        self._log: Log | None = None
        self._lock = threading.Lock()

    def append(self, message: Message, timeout_seconds: float = 10.0) -> Record:
        return self._kafka().append(message, timeout_seconds)

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> Reader:
        return self._kafka().reader(topics, begin)

    def ownership(self, group: str, topic: str) -> Ownership:
        return self._kafka().ownership(group, topic)

    def partitions(self) -> int:
        return self._kafka().partitions()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _kafka(self) -> Log:
        with self._lock:
            if self._log is None:
                from pushline.line.kafka import KafkaLog  # noqa: PLC0415 - see above

                at = self._settings
                self._log = KafkaLog(at.kafka, at.topic_prefix, self._options, check_topics=at.check_topics)
            return self._log
