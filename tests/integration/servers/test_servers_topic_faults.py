"""Each topic of the line, dead letters too, set up wrongly, or deleted and made anew, while everybody reads it.

The reader says topic and setting, its writer writes nothing, no topic has more than before; mended, it goes on by itself. What was
folded of a topic that is another one now is never kept: all is folded once more.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from pushline.line import kafka_reader
from pushline.line.broker import BrokerUnavailable
from pushline.line.events import Commit, CommitPushed
from pushline.line.ids import run_id
from pushline.line.kafka import KafkaLog
from pushline.line.kafka_topics import CONFIG, KafkaTopics
from pushline.line.tail import Tail
from pushline.line.topics import DEAD_LETTER_TOPICS, DEPLOYED, TOPIC_NAMES, TOPICS, read_by
from pushline.line.writer import Writer
from tests.servers import BrokerAddress
from tests.waiting import until

READERS = {
    "trainer": read_by("trainer"),
    "evaluator": read_by("evaluator"),
    "deployer": read_by("deployer"),
    "auditor": TOPIC_NAMES,
    "predictor": (DEPLOYED.name,),
}
EVERY_TOPIC = (*TOPIC_NAMES, *DEAD_LETTER_TOPICS)
SHA = "a" * 40
PUSH = CommitPushed("m", run_id("m", 1, 1, SHA), 1, 1, Commit("r", "refs/heads/main", SHA, "", "me", "x"), "", 0, "", "")
WRONG = {
    "cleanup.policy": "compact",
    "retention.ms": "60000",
    "retention.bytes": "1000000000",
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": "70000",
}


@dataclass
class Cluster:
    admin: AdminClient
    topics: KafkaTopics
    address: BrokerAddress
    prefix: str

    def set(self, topic: str, settings: dict[str, str]) -> None:
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()]
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.prefix + topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(10)


@pytest.fixture(scope="module")
def cluster(broker_address: BrokerAddress) -> Iterator[Cluster]:
    prefix = f"faults-{uuid4().hex[:8]}."
    with (
        AdminClient({"bootstrap.servers": broker_address.bootstrap}) as admin,
        KafkaTopics(broker_address.bootstrap, prefix, broker_address.options) as topics,
    ):
        topics.create()
        yield Cluster(admin, topics, broker_address, prefix)
        topics.remove()


@contextmanager
def reading(cluster: Cluster) -> Iterator[tuple[dict[str, tuple[Tail, Writer]], set[str]]]:
    """Let everybody read; give tails and writers, and who has folded all once more."""
    with ExitStack() as stack:
        found, folded_again = {}, set[str]()
        for name, topics in READERS.items():
            log = KafkaLog(cluster.address.bootstrap, cluster.prefix, cluster.address.options, check_topics=True)
            stack.callback(log.close)
            tail = Tail(log, topics, on_reset=partial(folded_again.add, name))
            tail.start()
            stack.callback(tail.stop)
            found[name] = (tail, Writer(log, tail, "test"))
        until(lambda: all(tail.problem == "" for tail, _ in found.values()), 60, "everybody to be well")
        yield found, folded_again


def ends(cluster: Cluster, without: str) -> dict[tuple[str, int], int]:
    log = KafkaLog(cluster.address.bootstrap, cluster.prefix, cluster.address.options)
    found: dict[tuple[str, int], int] = {}
    for name in EVERY_TOPIC:
        if name != without:
            reader = log.reader((name,))
            found |= reader.end(10)
            reader.close()
    log.close()
    return found


def settings(cluster: Cluster, topic: str) -> None:
    cluster.set(topic, WRONG)


def settings_again(cluster: Cluster, topic: str) -> None:
    cluster.set(topic, {**CONFIG, "max.message.bytes": "1048588"})


def deleted(cluster: Cluster, topic: str) -> None:
    (future,) = cluster.admin.delete_topics([cluster.prefix + topic]).values()
    future.result(30)


def made_anew(cluster: Cluster, topic: str) -> None:
    until(lambda: cluster.prefix + topic in cluster.topics.create() or None, 60, f"a new topic {topic}")


FAULTS: dict[str, tuple[Callable[[Cluster, str], None], Callable[[Cluster, str], None], tuple[str, ...]]] = {
    "settings": (settings, settings_again, tuple(WRONG)),
    "deletion": (deleted, made_anew, ()),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_a_topic_in_trouble_is_named_nothing_is_written_and_mended_all_go_on(
    cluster: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "LOOK_EVERY_SECONDS", 0.2)
    monkeypatch.setattr(kafka_reader, "CHECK_EVERY_SECONDS", 0.2)
    with reading(cluster) as (everybody, folded_again):
        affected = {name: both for name, both in everybody.items() if topic in READERS[name]}
        for name, (harm, mend, words) in FAULTS.items():
            before = ends(cluster, topic)
            harm(cluster, topic)
            until(lambda: all(_says(tail, topic, words) for tail, _ in affected.values()), 60, f"{name} of {topic} to be named")  # noqa: B023 - used at once
            for _, writer in affected.values():
                with pytest.raises(BrokerUnavailable):
                    writer.publish(PUSH)
            assert ends(cluster, topic) == before
            mend(cluster, topic)
            until(lambda: all(tail.problem == "" for tail, _ in everybody.values()), 60, f"going on after {name} of {topic}")
        assert affected.keys() <= folded_again


def test_every_topic_has_somebody_who_reads_it() -> None:
    assert {topic for topics in READERS.values() for topic in topics} == set(EVERY_TOPIC)
    assert len(EVERY_TOPIC) == 2 * len(TOPICS)


def _says(tail: Tail, topic: str, words: tuple[str, ...]) -> bool:
    return topic in tail.problem and all(word in tail.problem for word in words)
