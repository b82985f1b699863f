"""The embedded servers as processes, and what the Kafka adapter says while a broker freezes, dies and thaws."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pushline.line.broker import AppendUnknown, BrokerUnavailable, LineError
from pushline.line.kafka import KafkaLog
from pushline.line.records import Message
from pushline.line.topics import TOPICS
from pushline.servers.child import ServerNotStarted, ServerProcess
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker
from tests.waiting import until

DEADLINE_SECONDS = 20.0
MESSAGE = Message("commit", b"digits", b"{}", ())
HOLDER = """
from pushline.servers.embedded import EmbeddedBroker
with EmbeddedBroker() as broker:
    print(broker.pid, flush=True)
    input()
"""


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def log(own_broker: EmbeddedBroker) -> Iterator[KafkaLog]:
    with closing(KafkaLog(own_broker.bootstrap, options=KAFKA_OPTIONS)) as opened:
        yield opened


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_topics_and_dead_letter_topics_are_there_after_the_start(log: KafkaLog) -> None:
    names = [name for topic in TOPICS for name in (topic.name, topic.dead_letters)]

    with closing(log.reader(names)) as reader:
        assert set(reader.position()) == {(name, partition) for name in names for partition in range(4)}


def test_a_server_ends_with_its_parent_however_that_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert not gone(server)

        parent.kill()

        until(lambda: gone(server))


def test_a_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(ServerNotStarted, match=r"pushline\.servers\.nothing"):
        ServerProcess("pushline.servers.nothing").start()


def all_threads_stopped(pid: int) -> bool:
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def test_a_frozen_brokers_record_is_in_the_log_after_the_thaw(own_broker: EmbeddedBroker, log: KafkaLog) -> None:
    log.append(MESSAGE)
    os.kill(own_broker.pid, signal.SIGSTOP)

    try:
        until(lambda: all_threads_stopped(own_broker.pid))
        with pytest.raises(AppendUnknown):
            log.append(MESSAGE, timeout_seconds=0.5)
    finally:
        os.kill(own_broker.pid, signal.SIGCONT)

    with closing(log.reader(["commit"])) as reader:
        until(lambda: sum(reader.end(5.0).values()) == 2)


def test_a_reader_says_that_the_broker_is_gone_and_goes_on_saying_it(own_broker: EmbeddedBroker, log: KafkaLog) -> None:
    with closing(log.reader(["commit"])) as reader:
        own_broker.stop()

        with pytest.raises(BrokerUnavailable):
            until(lambda: reader.poll(0.1) is None)
        with pytest.raises(BrokerUnavailable):
            reader.poll(0.1)
        with pytest.raises(BrokerUnavailable):
            reader.end(0.5)


def test_nothing_is_sent_to_a_broker_that_is_known_to_be_gone(own_broker: EmbeddedBroker, log: KafkaLog) -> None:
    log.append(MESSAGE)
    own_broker.stop()

    def refused() -> bool:
        try:
            log.append(MESSAGE, timeout_seconds=0.2)
        except AppendUnknown:
            return False
        except BrokerUnavailable:
            return True
        return False

    until(refused)


def test_a_classic_group_takes_every_partition(own_broker: EmbeddedBroker) -> None:
    with closing(KafkaLog(own_broker.bootstrap)) as plain, closing(plain.ownership("trainer", "commit")) as member:
        until(lambda: member.poll() == {0, 1, 2, 3})


@pytest.mark.parametrize("options", [{"no.such.option": "1"}, {"fetch.wait.max.ms": "soon"}])
def test_a_client_option_that_does_not_exist_is_named(broker: str, options: dict[str, str]) -> None:
    with pytest.raises(LineError, match=next(iter(options))):
        KafkaLog(broker, options=options).reader(["commit"])
