"""Groups on a real Kafka: a replica that is killed and comes back, and two with one name."""

import subprocess
import sys
import time
from contextlib import closing

import pytest

from pushline.line.broker import BrokerUnavailable, Ownership
from pushline.line.kafka import KafkaLog
from tests.servers import BrokerAddress
from tests.waiting import until

MEMBER = """
import sys, time
from pushline.line.kafka import KafkaLog
member = KafkaLog(sys.argv[1], sys.argv[2], {}, replica="one").ownership("trainer", "commit")
while len(member.poll()) < 4:
    time.sleep(0.02)
print("owns", flush=True)
while True:
    member.poll()
    time.sleep(0.02)
"""


def test_a_named_replica_that_was_killed_has_its_partitions_back_within_seconds(
    broker_address: BrokerAddress, topic_prefix: str
) -> None:
    command = [sys.executable, "-c", MEMBER, broker_address.bootstrap, topic_prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"owns\n"
        first.kill()
    log = KafkaLog(broker_address.bootstrap, topic_prefix, broker_address.options, replica="one")
    began = time.monotonic()

    with closing(log), closing(log.ownership("trainer", "commit")) as again:
        until(lambda: len(again.poll()) == 4)

    assert time.monotonic() - began < 8


def test_the_second_of_two_replicas_with_one_name_works_and_the_first_says_why_it_does_not(
    broker_address: BrokerAddress, topic_prefix: str
) -> None:
    logs = [KafkaLog(broker_address.bootstrap, topic_prefix, broker_address.options, replica="one") for _ in range(2)]
    with closing(logs[0]), closing(logs[1]), closing(logs[0].ownership("trainer", "commit")) as first:
        until(lambda: len(first.poll()) == 4)
        with closing(logs[1].ownership("trainer", "commit")) as second:
            until(lambda: len(second.poll()) == 4)

            with pytest.raises(BrokerUnavailable, match="give each a name of its own"):
                until(lambda: first.poll() is None)

        until(lambda: len(owned(first)) == 4)  # alone again, it needs no restart


def owned(member: Ownership) -> frozenset[int]:
    try:
        return member.poll()
    except BrokerUnavailable:
        return frozenset()
