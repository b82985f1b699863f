import pytest

from pushline.line.ids import event_id, partition_of, run_id
from pushline.line.topics import BY_EVENT, BY_NAME, TOPICS

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, as Kafka's own Java client computes them
KAFKAS_OWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "murmur2"), KAFKAS_OWN.items(), ids=[key.decode() for key in KAFKAS_OWN])
@pytest.mark.parametrize("partitions", [1, 4, 7, 1000])
def test_a_key_lies_where_kafkas_own_partitioner_puts_it(key: bytes, murmur2: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_ids_stand_for_good() -> None:
    run = run_id("digits", 1, 1, "3f786850e387550fdab836ed7e6dc881de23001b")

    assert run == "3971b97c-f8db-51a5-9147-edfd0d6c06bb"
    assert event_id(run, "trained", b"{}") == "fa07e14a-56a8-5a87-ade2-d03a2f6f5c70"
    assert event_id("", "deployed", b"{}") == "ba4cfe8b-05f4-510e-864b-221c1490ef1f"


def test_an_id_depends_on_run_topic_and_bytes() -> None:
    run, other = run_id("m", 1, 1, "aa"), run_id("m", 1, 2, "aa")

    assert len({event_id(run, "commit", b"1"), event_id(run, "commit", b"2"), event_id(run, "trained", b"1")}) == 3
    assert event_id(run, "commit", b"1") != event_id(other, "commit", b"1")


def test_every_answer_stands_on_the_next_topic() -> None:
    flow = ["commit", "trained", "evaluated", "deployed", "served"]

    assert [topic.name for topic in TOPICS] == flow
    assert [topic.answered_on for topic in TOPICS] == [*flow[1:], None]


def test_every_topic_has_one_event_a_writer_and_a_stage_for_its_dead_letters() -> None:
    assert [BY_EVENT[topic.event] for topic in TOPICS] == [BY_NAME[topic.name] for topic in TOPICS] == list(TOPICS)
    assert all(topic.written_by for topic in TOPICS)
    assert all(topic.input_of in topic.read_by for topic in TOPICS)
    assert {topic.name for topic in TOPICS if "predictor" in topic.read_by} == {"deployed"}
    assert {topic.dead_letters for topic in TOPICS} == {f"dlq.{topic.name}" for topic in TOPICS}
    assert BY_NAME["commit"].ce_type == "dev.pushline.commit.v1"
