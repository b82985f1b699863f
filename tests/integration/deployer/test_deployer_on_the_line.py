"""The deployer as a process on a real Kafka protocol: it hears a verdict, says what is to serve, and writes it once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pushline.line.codec import encode
from pushline.line.events import Commit, CommitPushed, Event, File, ModelEvaluated, ModelTrained
from pushline.line.ids import run_id
from pushline.line.kafka import KafkaLog
from pushline.line.records import Message, Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects import keys
from pushline.objects.minio_store import MinioStore
from tests.servers import StoreAddress
from tests.waiting import until

MODEL = "digits"
COMMIT = Commit("repo", "refs/heads/main", "a" * 40, "", "me", "change")
RUN = run_id(MODEL, 1, 1, COMMIT.sha)


@pytest.fixture
def log(broker: str, kafka_options: dict[str, str], topic_prefix: str) -> Iterator[KafkaLog]:
    line = KafkaLog(broker, topic_prefix, kafka_options)
    yield line
    line.close()


@pytest.fixture
def tail(log: KafkaLog) -> Iterator[Tail]:
    following = Tail(log, TOPIC_NAMES)
    following.start()
    yield following
    following.stop()


@contextmanager
def deployer(environment: dict[str, str], ports: Path) -> Iterator[subprocess.Popen[bytes]]:
    ports.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "pushline.deployer"],
        env={**os.environ, **environment, "PUSHLINE_PORTS_FILE": str(ports)},  # noqa: TID251 - PATH and the like for a child
        stdout=subprocess.DEVNULL,
    )
    try:
        until(ports.exists, 30, "the ports file")
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def environment(broker: str, kafka_options: dict[str, str], topic_prefix: str, store_settings: StoreAddress) -> dict[str, str]:
    return {
        "PUSHLINE_KAFKA": broker,
        "PUSHLINE_TOPIC_PREFIX": topic_prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in kafka_options.items()),
        "PUSHLINE_METRICS_PORT": "0",
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_BUCKET": store_settings.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
    }


def say(log: KafkaLog, event: Event) -> str:
    message = encode(event, "test")
    log.append(message)
    return dict(message.headers)["ce_id"].decode()


def an_accepted_run(log: KafkaLog, store: StoreAddress) -> None:
    objects = MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    files = (File("model.h5", "d1", 1), File("program.tflite", "p1", 1))
    for file in files:
        objects.put_bytes(keys.model_file(MODEL, file.sha256, file.name), b"x")
    objects.put_bytes(keys.manifest(MODEL, RUN, "m1"), b"{}")
    pushed = say(log, CommitPushed(MODEL, RUN, 1, 1, COMMIT, "", 0, "", ""))
    trained = say(log, ModelTrained(MODEL, RUN, 1, 1, COMMIT, pushed, "succeeded", "", "", "d1", "m1", files, "off"))
    verdict = ("d1", "none", "accepted", "", "it is good", (), (), "ds", "repository", "k", "s", "m1", files)
    say(log, ModelEvaluated(MODEL, RUN, 1, 1, COMMIT, trained, *verdict))


def test_an_accepted_verdict_goes_live_once_and_a_restart_adds_nothing(
    log: KafkaLog, tail: Tail, environment: dict[str, str], store_settings: StoreAddress, tmp_path: Path
) -> None:
    an_accepted_run(log, store_settings)

    with deployer(environment, tmp_path / "ports"):
        tail.wait_until(lambda ledger: ledger.line(MODEL).live or None, 30)
    with deployer(environment, tmp_path / "ports"):
        port = json.loads((tmp_path / "ports").read_text())["metrics"]
        until(lambda: ready(port), 30, "readiness")

    with tail.read() as ledger:
        assert ledger.runs[RUN].outcome == "deployed"
        assert [entry.event.deploy_seq for entry in ledger.line(MODEL).deployments] == [1]


def test_bytes_that_are_no_event_lie_on_the_dead_letter_topic_once_and_the_stage_goes_on(
    log: KafkaLog, tail: Tail, environment: dict[str, str], store_settings: StoreAddress, tmp_path: Path
) -> None:
    log.append(Message("evaluated", MODEL.encode(), b"\xff not an event", ()))
    an_accepted_run(log, store_settings)

    for _ in range(2):
        with deployer(environment, tmp_path / "ports"):
            tail.wait_until(lambda ledger: ledger.line(MODEL).live or None, 30)
            until(lambda: letters(log), 30, "the dead letter")

    assert [record.value for record in letters(log)] == [b"\xff not an event"]


def letters(log: KafkaLog) -> list[Record]:
    reader = log.reader(("dlq.evaluated",))
    found: list[Record] = []
    ends = reader.end(5)
    while any(reader.position().get(place, 0) < end for place, end in ends.items()):
        found += reader.poll(1)
    reader.close()
    return found


def ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except HTTPError:
        return False
