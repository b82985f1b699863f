"""What an operator's client options reach: a reader is no member of a group, and takes none of a member's."""

from contextlib import closing

import pytest

from pushline.line.kafka_clients import Clients

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    "options",
    [
        {"max.poll.interval.ms": "10000"},  # shorter than a session is where nobody says otherwise
        {"session.timeout.ms": "400000"},
        {"group.protocol": "consumer", "heartbeat.interval.ms": "60000"},
        {"partition.assignment.strategy": "range"},
    ],
)
def test_a_reader_can_be_made_whatever_is_asked_of_members_of_groups(options: dict[str, str]) -> None:
    with closing(Clients(NOBODY, "", options).consumer()) as reader:
        assert reader.assignment() == []


def test_a_member_takes_a_poll_interval_as_short_as_its_session() -> None:
    with closing(Clients(NOBODY, "", {"max.poll.interval.ms": "10000"}).member("group")) as member:
        assert member.assignment() == []
