"""The line end to end: both examples, read from outside by programs that know nothing of Pushline's code."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from minio import Minio

from pushline.client import Client
from tests.e2e.running_line import RunningLine, running_line, tree

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TOPICS = ("commit", "trained", "evaluated", "deployed", "served")
CLOUD_EVENT = {"ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "content-type"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    with running_line(tmp_path_factory.mktemp("line"), {"digits": "", "subclassed": ""}) as running:
        yield running


@pytest.fixture(scope="module")
def runs(line: RunningLine) -> dict[str, str]:
    """Give the run of each example, once it is served."""
    started = {name: line.push(name, tree(EXAMPLES / name)) for name in ("digits", "subclassed")}
    for run in started.values():
        ended = line.ended(run)
        assert ended.outcome == "deployed", ended.sentence
        line.served(run)
    return started


def plain_events(line: RunningLine) -> list[tuple[str, dict[str, bytes], dict[str, Any]]]:
    """Read every topic with a plain consumer: (topic, headers, value)."""
    settings = {"bootstrap.servers": line.told["kafka"], "group.id": "anyone", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
    consumer = Consumer(settings)
    found: list[tuple[str, dict[str, bytes], dict[str, Any]]] = []
    for topic in TOPICS:
        name = f"{line.told['topic_prefix']}{topic}"
        partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
            consumer.assign([TopicPartition(name, partition, low)])
            while low < high:
                record = consumer.poll(5)
                assert record is not None
                assert record.error() is None
                headers: dict[str, Any] = dict(record.headers() or [])
                found.append((topic, headers, json.loads(record.value() or b"")))
                low = (record.offset() or 0) + 1
    consumer.close()
    return found


@pytest.mark.parametrize("model", ["digits", "subclassed"])
def test_a_plain_consumer_reads_the_five_events_of_a_run_in_the_order_of_their_causes(
    line: RunningLine, runs: dict[str, str], model: str
) -> None:
    of_run = [event for event in plain_events(line) if event[2]["run_id"] == runs[model]]

    ids = {topic: headers["ce_id"].decode() for topic, headers, _ in of_run}
    causes = {topic: value["caused_by"] for topic, _, value in of_run}

    assert [topic for topic, _, _ in of_run] == list(TOPICS)
    assert causes == {"commit": "", **{after: ids[before] for before, after in pairwise(TOPICS)}}
    assert all(set(headers) >= CLOUD_EVENT for _, headers, _ in of_run)
    assert all(headers["ce_type"].decode() == f"dev.pushline.{topic}.v1" for topic, headers, _ in of_run)


@pytest.mark.parametrize("model", ["digits", "subclassed"])
def test_model_h5_lies_in_the_bucket_under_its_digest(line: RunningLine, runs: dict[str, str], model: str, tmp_path: Path) -> None:
    (trained,) = [value for topic, _, value in plain_events(line) if topic == "trained" and value["run_id"] == runs[model]]
    store = line.told["store"]
    plain = Minio(store["endpoint"].removeprefix("http://"), store["access_key"], store["secret_key"], secure=False)

    plain.fget_object(store["bucket"], f"models/{model}/{trained['digest']}/model.h5", str(tmp_path / "model.h5"))

    assert hashlib.sha256((tmp_path / "model.h5").read_bytes()).hexdigest() == trained["digest"]


@pytest.mark.parametrize("model", ["digits", "subclassed"])
def test_an_answer_names_the_commit_that_was_pushed_and_is_right(line: RunningLine, runs: dict[str, str], model: str) -> None:
    rows, labels = frozen_rows(line, runs[model])

    with Client(line.grpc) as client:
        answer = client.predict(rows, model=model)

    with line.tail.read() as ledger:
        run = ledger.runs[runs[model]]
        assert run.trained is not None
        assert (answer.commit, answer.digest) == (run.commit.sha, run.trained.event.digest)
    assert np.mean(np.argmax(np.asarray(answer.y), axis=1) == labels) > 0.9


def test_a_stock_client_of_its_own_environment_gets_a_right_answer_that_names_commit_and_digest(
    line: RunningLine, runs: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run([ROOT / "tools" / "interop-env"], check=True, timeout=110)
    rows, labels = frozen_rows(line, runs["digits"])
    np.save(tmp_path / "rows.npy", rows)
    python, script = ROOT / ".venv" / "interop" / "bin" / "python", ROOT / "tests" / "fixtures" / "stock_predict.py"

    told = subprocess.run([python, script, line.grpc, "digits", tmp_path / "rows.npy"], capture_output=True, check=True, timeout=60)

    seen = json.loads(told.stdout)
    with line.tail.read() as ledger:
        live = ledger.line("digits").live[0]
    assert (seen["commit"], seen["digest"], seen["version"]) == (live.commit.sha, live.digest, "1")
    assert np.mean(np.argmax(np.asarray(seen["y"]), axis=1) == labels) > 0.9


def frozen_rows(line: RunningLine, run_id: str) -> tuple[Any, Any]:
    """Give the inputs and labels of the set that the run was judged on."""
    with line.tail.read() as ledger:
        run = ledger.runs[run_id]
        sha256 = next(iter(run.evaluated.values())).event.dataset_sha256
    with line.store.fetch(f"datasets/{run.model}/{sha256}.npz", sha256) as path, np.load(path, allow_pickle=False) as arrays:
        return arrays["x"][:200].astype("float32"), arrays["y"][:200].reshape(-1)


def test_the_auditor_tells_the_whole_story_and_finds_nothing_wrong(line: RunningLine, runs: dict[str, str]) -> None:
    rows = {row["run_id"]: row for row in line.get("/api/runs")["runs"]}
    audit = line.get("/api/audit")

    assert {rows[run]["outcome"] for run in runs.values()} == {"deployed"}
    assert audit["problems"] == []


def test_the_same_delivery_again_is_no_new_run(line: RunningLine, runs: dict[str, str]) -> None:
    sha = line.repositories["digits"].git("rev-parse", "HEAD")

    status, answer = line.hint("digits", sha)

    assert (status, answer["run_id"]) == (202, runs["digits"])


def test_the_command_shows_what_is_live(line: RunningLine, runs: dict[str, str]) -> None:
    told = line.command("status", "--json")

    assert told.returncode == 0, told.stderr
    live = {model["model"]: model["live_digest"] for model in json.loads(told.stdout)}
    with line.tail.read() as ledger:
        wanted = {name: ledger.line(name).live_digest for name in runs}
    assert live == wanted
