"""Dividing partitions among the replicas of a stage: a consumer group whose partitions are all paused, so that it reads nothing."""

import contextlib

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pushline.line.broker import BrokerUnavailable
from pushline.line.kafka_clients import Clients, says

EVENTS_A_POLL = 20
FATAL = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001 - librdkafka's own codes begin so


class KafkaOwnership:
    """Implements Ownership, with cooperative rebalancing: what a replica keeps is never taken away for a moment."""

    def __init__(self, clients: Clients, group: str, topic: str) -> None:
        self._topic = clients.topic(topic)
        self._group = group
        self._owned: set[int] = set()
        self._fatal = ""
        self._consumer = clients.member(group)
        self._consumer.subscribe([self._topic], on_assign=self._take, on_revoke=self._give, on_lost=self._give)

    def poll(self) -> frozenset[int]:
        for _ in range(EVENTS_A_POLL):
            told = self._consumer.poll(0)
            if told is None:
                break
            self._note(told.error())  # it is an error event, as nothing is fetched
        if self._fatal:
            raise BrokerUnavailable(self._fatal)
        return frozenset(self._owned)

    def commit(self, offsets: dict[int, int]) -> None:
        places = [
            TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items() if partition in self._owned
        ]
        if places:
            with contextlib.suppress(KafkaException):
                self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        self._consumer.close()
        self._owned.clear()

    def _note(self, error: KafkaError | None) -> None:
        """Go on after all errors but a fatal one, as librdkafka does: a member that another one replaced must not fight it."""
        if error is None or error.code() not in FATAL:
            return
        self._owned.clear()
        self._fatal = f"the group {self._group}: {says(error)}"
        if "fenced" in error.str():
            self._fatal += "; another replica has the same PUSHLINE_REPLICA: give each a name of its own"

    def _take(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """Own them. From offset 0, because a group without commits would fail under auto.offset.reset=error; nothing is fetched."""
        places = [TopicPartition(place.topic, place.partition, 0) for place in assigned]
        consumer.incremental_assign(places)
        consumer.pause(places)
        self._owned |= {place.partition for place in assigned}

    def _give(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._owned -= {place.partition for place in revoked}
        consumer.incremental_unassign(revoked)
