"""`pushline topics` and `pushline store` against real servers, right and wrong."""

import json
import os
import subprocess
import sys
from uuid import uuid4

import pytest

from pushline.cli.exits import Exit
from pushline.line.kafka_topics import KafkaTopics
from tests.servers import BrokerAddress, StoreAddress


def pushline(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    everything = {**os.environ, **settings}  # noqa: TID251 - a child needs PATH
    command = [sys.executable, "-m", "pushline.cli", *arguments]
    return subprocess.run(command, env=everything, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def s3(store_settings: StoreAddress) -> dict[str, str]:
    return {f"PUSHLINE_S3_{name.upper()}": value for name, value in store_settings._asdict().items()}


def test_topics_are_created_once_and_checked(broker_address: BrokerAddress) -> None:
    prefix = f"cli-{uuid4().hex[:8]}."
    settings = {"PUSHLINE_KAFKA": broker_address.bootstrap, "PUSHLINE_TOPIC_PREFIX": prefix}

    missing = pushline("topics", "check", **settings)
    first = pushline("topics", "create", "--partitions", "2", "--json", **settings)
    again = pushline("topics", "create", "--partitions", "5", "--json", **settings)
    checked = pushline("topics", "check", **settings)

    assert missing.returncode == Exit.FAILED
    assert f"topic {prefix}commit is not there" in missing.stdout
    assert len(json.loads(first.stdout)["created"]) == 10
    assert json.loads(again.stdout) == {"created": [], "wrong": []}
    assert checked.returncode == Exit.OK, checked.stderr
    with KafkaTopics(broker_address.bootstrap, prefix) as topics:
        topics.remove()


def test_topics_without_a_broker_is_a_sentence() -> None:
    done = pushline("topics", "check", PUSHLINE_KAFKA="127.0.0.1:1")

    assert done.returncode == Exit.UNREACHABLE
    assert done.stderr.startswith("pushline: The broker: 127.0.0.1:1")


def test_topics_with_more_copies_than_brokers_is_refused_with_the_topic_named(broker_address: BrokerAddress) -> None:
    prefix = f"cli-{uuid4().hex[:8]}."

    done = pushline(
        "topics", "create", "--replication-factor", "3", PUSHLINE_KAFKA=broker_address.bootstrap, PUSHLINE_TOPIC_PREFIX=prefix
    )

    assert done.returncode == Exit.REFUSED
    assert f"topic {prefix}" in done.stderr
    assert "INVALID_REPLICATION_FACTOR" in done.stderr


def test_a_bucket_is_created_once_and_put_to_the_test(s3: dict[str, str]) -> None:
    s3["PUSHLINE_S3_BUCKET"] = f"cli-{uuid4().hex[:8]}"

    missing = pushline("store", "check", **s3)
    first = pushline("store", "create", "--json", **s3)
    again = pushline("store", "create", "--json", **s3)
    checked = pushline("store", "check", **s3)

    assert missing.returncode == Exit.UNREACHABLE
    assert "put: " in missing.stderr
    assert "NoSuchBucket" in missing.stderr
    assert json.loads(first.stdout)["created"] is True
    assert json.loads(again.stdout)["created"] is False
    assert checked.returncode == Exit.OK, checked.stderr
    assert checked.stdout.split() == ["ok", "put", "ok", "get", "ok", "verify", "ok", "range", "ok", "list"]


def test_wrong_keys_of_the_store_are_named_and_not_shown(s3: dict[str, str]) -> None:
    done = pushline("store", "check", **{**s3, "PUSHLINE_S3_SECRET_KEY": "wrong-but-long-enough"})

    assert done.returncode == Exit.UNREACHABLE
    assert "SignatureDoesNotMatch" in done.stderr
    assert "wrong-but-long-enough" not in done.stderr


def test_a_store_that_is_away_is_a_sentence(s3: dict[str, str]) -> None:
    done = pushline("store", "check", **{**s3, "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:1"})

    assert done.returncode == Exit.UNREACHABLE
    assert done.stderr.count("\n") == 1
