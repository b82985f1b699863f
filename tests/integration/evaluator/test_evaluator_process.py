"""The evaluator as a process on real Kafka and S3 protocols: it hears a trained run and says its verdict, once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pushline.evaluator.settings import Settings
from pushline.line.codec import Entry, encode
from pushline.line.events import Event, ModelEvaluated
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects.memory_store import MemoryStore
from pushline.objects.minio_store import MinioStore
from pushline.runtime.settings import SettingsError, read
from tests.fixtures.evaluator.story import Story, Trained, put_run
from tests.servers import StoreAddress
from tests.waiting import until


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


@pytest.fixture
def store(store_settings: StoreAddress) -> MinioStore:
    return MinioStore(*store_settings)


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


@contextmanager
def evaluator(environment: Mapping[str, str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run it; give the process and its status port. It must end well on SIGTERM."""
    ports = folder / "ports.json"
    ports.unlink(missing_ok=True)
    with (folder / "log.jsonl").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pushline.evaluator"],
            env={**os.environ, **environment, "PUSHLINE_PORTS_FILE": str(ports)},  # noqa: TID251 - PATH and the like for a child
            stdout=output,
        )
    try:
        until(ports.exists, 30, "the ports file")
        yield process, json.loads(ports.read_text(encoding="utf-8"))["metrics"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


class Telling(Story):
    """A story that is told on a real line too."""

    def __init__(self, log: KafkaLog) -> None:
        super().__init__()
        self.log = log

    def say(self, event: Event) -> Entry[Event]:
        self.log.append(encode(event, "test"))
        return super().say(event)


def verdict_of(trained: Trained, ledger: Ledger) -> ModelEvaluated | None:
    run = ledger.runs.get(trained.event.run_id)
    return run.verdict.event if run is not None and run.verdict is not None else None


def test_a_trained_run_is_answered_once_over_two_lives_of_the_process(
    environment: dict[str, str], log: KafkaLog, tail: Tail, store: MinioStore, tmp_path: Path
) -> None:
    trained, story = put_run(store, "digits"), Telling(log)

    with evaluator(environment, tmp_path) as (_, port):
        story.trained(1, about=trained.event)
        verdict = tail.wait_until(lambda ledger: verdict_of(trained, ledger), 60)
        until(lambda: get(port, "/readyz")[0] == 200, 20, "a ready evaluator")
        until(lambda: "pushline_verdicts_total" in get(port, "/metrics")[1], 20, "the verdict in the metrics")
    with evaluator(environment, tmp_path) as (_, port):
        until(lambda: get(port, "/readyz")[0] == 200, 20, "a ready evaluator")
    tail.catch_up(20)

    assert verdict.verdict == "accepted"
    assert store.exists(verdict.report_key)
    with tail.read() as ledger:
        assert len(ledger.runs[trained.event.run_id].evaluated) == 1
    assert sum(tail.folded_of("evaluated").values()) == 1
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(line["message"] == "answered" and line["run_id"] == trained.event.run_id for line in logged)
    assert environment["PUSHLINE_S3_SECRET_KEY"] not in (tmp_path / "log.jsonl").read_text(encoding="utf-8")


def test_a_missing_object_makes_it_not_ready_and_is_named_until_it_is_there(
    environment: dict[str, str], log: KafkaLog, tail: Tail, store: MinioStore, tmp_path: Path
) -> None:
    trained, story = put_run(MemoryStore(), "diabetes", 7), Telling(log)

    with evaluator(environment, tmp_path) as (_, port):
        story.trained(7, about=trained.event)
        until(lambda: "no object under runs/digits/" in get(port, "/readyz")[1], 30, "the missing object in /readyz")
        put_run(store, "diabetes", 7)
        verdict = tail.wait_until(lambda ledger: verdict_of(trained, ledger), 60)
        until(lambda: get(port, "/readyz")[0] == 200, 20, "a ready evaluator")

    assert verdict.verdict == "accepted"


def test_a_predictor_that_is_not_there_makes_it_not_ready_and_is_named_before_and_after_there_is_work(
    environment: dict[str, str], log: KafkaLog, tail: Tail, store: MinioStore, tmp_path: Path
) -> None:
    trained, story = put_run(store, "digits", 9), Telling(log)
    environment |= {"PUSHLINE_PREDICTOR_COMMAND": "/no/such/python -m pushline.predictor"}

    with evaluator(environment, tmp_path) as (_, port):
        named = "PUSHLINE_PREDICTOR_COMMAND: there is no program /no/such/python"
        until(lambda: named in get(port, "/readyz")[1], 20, "the command in /readyz")
        story.trained(9, about=trained.event)
        until(lambda: get(port, "/readyz")[1].count(named) == 2, 30, "the command as the reason why work waits")
    del environment["PUSHLINE_PREDICTOR_COMMAND"]
    with evaluator(environment, tmp_path):
        verdict = tail.wait_until(lambda ledger: verdict_of(trained, ledger), 60)

    assert verdict.verdict == "accepted"


def test_every_missing_or_wrong_setting_is_named_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        read(
            Settings,
            {
                "PUSHLINE_TOLERANCE": "a lot",
                "PUSHLINE_EVALUATION_MEMORY": "4 potatoes",
                "PUSHLINE_EVALUATIONS": "0",
                "PUSHLINE_PREDICTOR_COMMAND": "python 'of nowhere",
            },
        )

    named = [problem.split()[0].rstrip(":") for problem in caught.value.problems]
    assert named == [
        "PUSHLINE_KAFKA",
        "PUSHLINE_S3_ENDPOINT",
        "PUSHLINE_S3_ACCESS_KEY",
        "PUSHLINE_S3_SECRET_KEY",
        "PUSHLINE_EVALUATIONS",
        "PUSHLINE_TOLERANCE",
        "PUSHLINE_EVALUATION_MEMORY",
        "PUSHLINE_PREDICTOR_COMMAND",
    ]
