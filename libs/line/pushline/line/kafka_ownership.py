"""Dividing partitions among the replicas of a stage: a consumer group whose partitions are all paused, so that it reads nothing."""

import contextlib
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pushline.line.broker import BrokerUnavailable
from pushline.line.kafka_clients import Clients, says
from pushline.line.patience import FENCED

EVENTS_A_POLL = 20
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = FENCED.first_seconds, FENCED.longest_seconds
FATAL = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001 - librdkafka's own codes begin so


class KafkaOwnership:
    """Implements Ownership, with cooperative rebalancing: what a replica keeps is never taken away for a moment.

    A member that is fenced joins anew after a rest: a broker that was away for longer than a session fences those who come back by
    the offsets they had still to commit. Two replicas of one name fence each other so; the rests grow, and both say why.
    """

    def __init__(self, clients: Clients, group: str, topic: str) -> None:
        self._clients = clients
        self._topic = clients.topic(topic)
        self._group = group
        self._owned: set[int] = set()
        self._fatal = ""
        self._rest_seconds, self._join_at = FIRST_REST_SECONDS, 0.0
        self._consumer = self._join()

    def _join(self) -> Consumer:
        self._joined_at = time.monotonic()
        member = self._clients.member(self._group)
        member.subscribe([self._topic], on_assign=self._take, on_revoke=self._give, on_lost=self._give)
        return member

    def poll(self) -> frozenset[int]:
        if self._fatal and time.monotonic() >= self._join_at:
            self._consumer.close()
            self._owned.clear()
            self._fatal = ""
            self._consumer = self._join()
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
        """Go on after all errors but a fatal one, as librdkafka does: a member that another one replaced rests for a while."""
        if error is None or error.code() not in FATAL or self._fatal:
            return
        now = time.monotonic()
        soon = now - self._joined_at < 2 * LONGEST_REST_SECONDS
        self._rest_seconds = min(2 * self._rest_seconds, LONGEST_REST_SECONDS) if soon else FIRST_REST_SECONDS
        self._join_at = now + self._rest_seconds
        self._owned.clear()
        self._fatal = f"the group {self._group}: {says(error)}"
        if "fenced" in error.str():
            self._fatal += (
                "; if the broker was not away, another replica has the same PUSHLINE_REPLICA: give each a name of its own"
            )

    def _take(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """Own them. From offset 0, because a group without commits would fail under auto.offset.reset=error; nothing is fetched."""
        places = [TopicPartition(place.topic, place.partition, 0) for place in assigned]
        consumer.incremental_assign(places)
        consumer.pause(places)
        self._owned |= {place.partition for place in assigned}

    def _give(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._owned -= {place.partition for place in revoked}
        consumer.incremental_unassign(revoked)
