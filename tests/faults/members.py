"""Who owns what in a service's consumer group, as the broker tells it."""

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from tests.faults.processes import FaultLine

ASK_SECONDS = 5


def owners(line: FaultLine, group: str) -> Mapping[str, frozenset[int]]:
    """Give the partitions of each member, by its process's own client (address and member id)."""
    told = line.seen.told
    with AdminClient({"bootstrap.servers": told["kafka"], **told["kafka_options"]}) as admin:
        name = f"{told['topic_prefix']}{group}"
        found = admin.describe_consumer_groups([name], request_timeout=ASK_SECONDS)[name].result(ASK_SECONDS)
    return {
        member.group_instance_id or member.member_id: frozenset(place.partition for place in member.assignment.topic_partitions)
        for member in found.members
    }


def is_settled(line: FaultLine, group: str, members: int, partitions: int) -> bool:
    """Say whether so many members share all partitions, each with one at least."""
    shares = owners(line, group).values()
    return len(shares) == members and all(shares) and sum(map(len, shares)) == partitions
