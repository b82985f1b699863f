"""What an administrator can do to the offsets of a line's groups: delete them, or set them anywhere. Nothing may hang on them."""

from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from pushline.line.topics import COMMIT, EVALUATED, TRAINED
from tests.faults.places import Place
from tests.waiting import until

SESSION_SECONDS = 30.0  # a killed member leaves after its session's time-out
FAR_BEYOND = 1_000_000
GROUPS = {"trainer": COMMIT.name, "evaluator": TRAINED.name, "deployer": EVALUATED.name}


class Offsets:
    """Of the groups of one line. Its services are down: a group with members takes no orders."""

    def __init__(self, place: Place, partitions: int) -> None:
        self._admin = AdminClient({"bootstrap.servers": place.kafka})
        self._topics = {f"{place.topic_prefix}{group}": f"{place.topic_prefix}{topic}" for group, topic in GROUPS.items()}
        self._partitions = partitions

    def delete(self) -> None:
        """Delete the groups: what a broker does to offsets that nobody used for `offsets.retention.minutes`."""
        until(self._deleted, SESSION_SECONDS, "groups without members")

    def set(self, offset: int) -> None:
        for group, topic in self._topics.items():
            places = [TopicPartition(topic, partition, offset) for partition in range(self._partitions)]
            asked = [ConsumerGroupTopicPartitions(group, places)]
            until(lambda asked=asked: self._set(asked), SESSION_SECONDS, f"offsets of {group}")  # type: ignore[misc]

    def committed(self) -> Mapping[str, int]:
        """Give how many partitions have a committed offset, by group."""
        found = {}
        for group in self._topics:
            answer = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
            found[group] = len(answer.topic_partitions)
        return found

    def _deleted(self) -> bool:
        left = {listing.group_id for listing in self._admin.list_consumer_groups().result().valid} & self._topics.keys()
        for future in self._admin.delete_consumer_groups(list(left)).values() if left else ():
            try:
                future.result()
            except KafkaException:
                return False
        return not left

    def _set(self, asked: list[ConsumerGroupTopicPartitions]) -> bool:
        try:
            for future in self._admin.alter_consumer_group_offsets(asked).values():
                future.result()
        except KafkaException:
            return False
        return True
