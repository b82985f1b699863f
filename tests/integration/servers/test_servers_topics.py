"""The line's topics on a real Kafka: made, held against what the line needs, cut short and made anew."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic

from pushline.line.broker import LogTruncated
from pushline.line.kafka import KafkaLog
from pushline.line.kafka_topics import CONFIG, KafkaTopics, WrongTopics
from pushline.line.records import Message
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from tests.servers import BrokerAddress
from tests.waiting import until

MESSAGE = Message("commit", b"digits", b"{}", ())


@pytest.fixture
def admin(broker_address: BrokerAddress) -> Iterator[AdminClient]:
    with AdminClient({"bootstrap.servers": broker_address.bootstrap}) as made:
        yield made


@pytest.fixture
def topics(broker_address: BrokerAddress) -> Iterator[KafkaTopics]:
    with KafkaTopics(broker_address.bootstrap, f"topics-{uuid4().hex[:8]}.", broker_address.options) as made:
        yield made
        made.remove()


def set_config(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)


def make(admin: AdminClient, topic: str, partitions: int) -> None:
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=CONFIG)]).values():
        future.result(10)


def test_topics_are_made_once_and_are_right(topics: KafkaTopics) -> None:
    assert sorted(topics.create(3)) == sorted(topics.names)
    assert topics.check() == []
    assert topics.create(5) == []
    assert topics.check() == []


def test_every_topic_that_is_missing_is_named(topics: KafkaTopics) -> None:
    assert [str(wrong) for wrong in topics.check()] == [f"topic {name} is not there" for name in topics.names]


def test_a_wrong_setting_is_named_with_what_it_should_be(topics: KafkaTopics, admin: AdminClient) -> None:
    topics.create(1)
    set_config(admin, topics.names[0], "retention.ms", "604800000")
    set_config(admin, topics.names[2], "cleanup.policy", "compact")
    set_config(admin, topics.names[4], "max.message.bytes", "1000")

    until(lambda: len(topics.check()) == 3)

    assert [str(wrong) for wrong in topics.check()] == [
        f"topic {topics.names[0]}: retention.ms is 604800000, should be -1",
        f"topic {topics.names[2]}: cleanup.policy is compact, should be delete",
        f"topic {topics.names[4]}: max.message.bytes is 1000, should be 131072 or more",
    ]


def test_a_topic_with_another_number_of_partitions_is_named(topics: KafkaTopics, admin: AdminClient) -> None:
    make(admin, topics.names[-2], 2)

    topics.create(3)

    assert [str(wrong) for wrong in topics.check()] == [f"topic {topics.names[-2]}: partitions is 2, should be 3"]


def test_a_tail_on_wrong_topics_says_which_setting_and_goes_on_once_it_is_mended(
    broker_address: BrokerAddress, topics: KafkaTopics, admin: AdminClient
) -> None:
    topics.create(1)
    set_config(admin, topics.names[0], "retention.ms", "1000000")
    until(lambda: len(topics.check()) == 1)
    prefix = topics.names[0].removesuffix("commit")
    with closing(KafkaLog(broker_address.bootstrap, prefix, broker_address.options, check_topics=True)) as log:
        with pytest.raises(WrongTopics, match=r"retention.ms is 1000000, should be -1"):
            log.reader(TOPIC_NAMES)
        tail = Tail(log, TOPIC_NAMES)
        tail.start()
        until(lambda: "retention.ms is 1000000" in tail.problem)
        set_config(admin, topics.names[0], "retention.ms", "-1")
        until(lambda: tail.problem == "")
        tail.stop()


def test_a_topic_that_is_made_anew_voids_the_fold(broker_address: BrokerAddress, topics: KafkaTopics, admin: AdminClient) -> None:
    topics.create(1)
    prefix = topics.names[0].removesuffix("commit")
    with closing(KafkaLog(broker_address.bootstrap, prefix, broker_address.options)) as log:
        log.append(MESSAGE)
        with closing(log.reader(["commit"])) as reader:
            until(lambda: len(reader.poll(0.1)) == 1)
            for future in admin.delete_topics([topics.names[0]]).values():
                future.result(10)
            until(lambda: topics.names[0] in topics.create(1))

            with pytest.raises(LogTruncated, match="topic commit partition 0"):
                until(lambda: reader.poll(0.1) is None)


def test_an_append_to_a_topic_that_was_made_anew_is_in_the_log(
    broker_address: BrokerAddress, topics: KafkaTopics, admin: AdminClient
) -> None:
    topics.create(1)
    prefix = topics.names[0].removesuffix("commit")
    with closing(KafkaLog(broker_address.bootstrap, prefix, broker_address.options)) as log:
        log.append(MESSAGE)
        for future in admin.delete_topics([topics.names[0]]).values():
            future.result(10)
        until(lambda: topics.names[0] in topics.create(1))

        assert log.append(MESSAGE).offset == 0


def test_a_closed_client_is_gone_at_once_and_leaves_nothing_to_the_garbage_collector(broker_address: BrokerAddress) -> None:
    """An admin client that one of its own threads collects aborts the process."""
    prefix = f"closed-{uuid4().hex[:8]}."
    with KafkaTopics(broker_address.bootstrap, prefix, broker_address.options) as topics:
        topics.create(1)
        before = _client_threads()
        log = KafkaLog(broker_address.bootstrap, prefix, broker_address.options, check_topics=True)
        reader = log.reader(["commit"])
        assert _client_threads() - before
        reader.close()
        log.close()
        until(lambda: _client_threads() <= before)
        topics.remove()
    assert reader.position() == {("commit", 0): 0}  # still there, and not collected


def _client_threads() -> set[str]:
    """Ids of this process's threads that librdkafka made."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            if (task / "comm").read_text().startswith("rdk:"):
                found.add(task.name)
    return found
