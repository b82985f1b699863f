"""`pushline dlq`, `rerun` and `wait` on a broker, found by settings, as an operator has them who runs no `pushline up`."""

import json
from collections.abc import Iterator

import pytest

from pushline.cli.exits import Exit
from pushline.line.deadletters import DeadLetters
from pushline.line.events import Commit, CommitPushed
from pushline.line.ids import run_id
from pushline.line.kafka import KafkaLog
from pushline.line.records import Message
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, TOPIC_NAMES
from pushline.line.writer import Writer
from tests.integration.cli.asking import Operator
from tests.servers import StoreAddress

EVERYWHERE = frozenset(range(64))
SHA = "c" * 40


@pytest.fixture
def log(broker: str, kafka_options: dict[str, str], topic_prefix: str) -> Iterator[KafkaLog]:
    line = KafkaLog(broker, topic_prefix, kafka_options)
    yield line
    line.close()


@pytest.fixture
def operator(broker: str, kafka_options: dict[str, str], topic_prefix: str, store_settings: StoreAddress) -> Operator:
    store = store_settings
    return Operator(
        {
            "PUSHLINE_KAFKA": broker,
            "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in kafka_options.items()),
            "PUSHLINE_TOPIC_PREFIX": topic_prefix,
            "PUSHLINE_S3_ENDPOINT": store.endpoint,
            "PUSHLINE_S3_BUCKET": store.bucket,
            "PUSHLINE_S3_ACCESS_KEY": store.access_key,
            "PUSHLINE_S3_SECRET_KEY": store.secret_key,
        }
    )


def bury(log: KafkaLog) -> str:
    """Put garbage on the line and let the trainer's stage find it; give where it lies."""
    record = log.append(Message("commit", b"digits", b"no event\x1b[31m", (("x", b"y"),)))
    letters = DeadLetters(log, (COMMIT,))
    tail = Tail(log, TOPIC_NAMES, letters.note)
    tail.start()
    try:
        tail.catch_up(20)
        letters.write(EVERYWHERE)
    finally:
        tail.stop()
    assert letters.problem == ""
    return f"commit/{record.partition}/{record.offset}"


def push(log: KafkaLog) -> str:
    commit = Commit("r", "refs/heads/main", SHA, "", "Ada", "one")
    event = CommitPushed("digits", run_id("digits", 1, 1, SHA), 1, 1, commit, "", 0, "", "")
    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    try:
        assert Writer(log, tail, "/test").publish(event).counted
    finally:
        tail.stop()
    return event.run_id


def test_a_dead_letter_is_listed_shown_refused_to_be_replayed_and_dropped(log: KafkaLog, operator: Operator) -> None:
    place = bury(log)

    (letter,) = operator.told("dlq", "list")
    assert "/".join(str(letter["origin"][name]) for name in ("topic", "partition", "offset")) == place
    assert "\\x1b[31m" in operator.run("dlq", "show", place)[1]
    code, _, err = operator.run("dlq", "replay", place, "--reason", "try", "--yes")
    assert (code, "still no event" in err) == (Exit.REFUSED, True)

    (dropped,) = operator.told("dlq", "drop", letter["letter"], "--reason", "a test", "--actor", "ada", "--yes")

    assert dropped == {"letter": letter["letter"], "actor": "ada", "reason": "a test"}
    assert operator.told("dlq", "list") == []
    (marked,) = operator.told("dlq", "list", "--all")
    assert marked["marks"] == [{"kind": "dropped", "actor": "ada", "reason": "a test"}]
    assert bury(log) != place  # a stage that starts now reads the marks too, and writes only what is new
    assert len(operator.told("dlq", "list", "--all")) == 2


def test_without_a_terminal_nothing_is_dropped_unasked(log: KafkaLog, operator: Operator) -> None:
    code, _, err = operator.run("dlq", "drop", bury(log), "--reason", "a test")

    assert (code, "say --yes" in err) == (Exit.USAGE, True)
    assert len(operator.told("dlq", "list")) == 1


def test_a_rerun_is_a_new_run_and_a_run_on_its_way_is_waited_for(log: KafkaLog, operator: Operator) -> None:
    first = push(log)

    planned = operator.told("rerun", SHA[:8], "--reason", "flaky", "--dry-run")
    assert [run["run_id"] for run in operator.told("runs")] == [first]
    told = operator.told("rerun", SHA[:8], "--reason", "flaky", "--actor", "ada")

    assert planned["event"]["attempt"] == told["event"]["attempt"] == 2
    assert [(run["attempt"], run["commit"]) for run in operator.told("runs")] == [(2, SHA), (1, SHA)]
    code, _, err = operator.run("wait", SHA, "--timeout", "100ms")
    assert (code, "still at training" in err) == (Exit.TIMED_OUT, True)


def test_a_commit_that_never_comes_is_not_found(log: KafkaLog, operator: Operator) -> None:
    push(log)

    code, _, err = operator.run("wait", "d" * 40, "--appear", "100ms", "--json")

    assert (code, json.loads(err)["exit_code"]) == (Exit.NOT_FOUND, Exit.NOT_FOUND)
