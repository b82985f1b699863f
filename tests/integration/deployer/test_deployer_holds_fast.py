"""A real deployer on a real broker, in front of too many undecodable records in a row, and a person who lets it go on."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal
from pushline.line.ids import partition_of
from pushline.line.kafka import KafkaLog
from pushline.line.letters import read_letters
from pushline.line.records import Message
from tests.servers import StoreAddress
from tests.waiting import until

MODEL, MOST = "digits", 10


@pytest.fixture
def environment(broker: str, kafka_options: dict[str, str], topic_prefix: str, store_settings: StoreAddress) -> dict[str, str]:
    return {
        "PUSHLINE_KAFKA": broker,
        "PUSHLINE_TOPIC_PREFIX": topic_prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in kafka_options.items()),
        "PUSHLINE_METRICS_PORT": "0",
        "PUSHLINE_MOST_BAD_RECORDS": str(MOST),
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_BUCKET": store_settings.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
    }


@pytest.fixture
def log(broker: str, kafka_options: dict[str, str], topic_prefix: str) -> Iterator[KafkaLog]:
    line = KafkaLog(broker, topic_prefix, kafka_options)
    yield line
    line.close()


@contextmanager
def deployer(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Give the address of a deployer's status."""
    ports = folder / "ports"
    ports.unlink(missing_ok=True)
    with (folder / "log").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pushline.deployer"],
            env={**os.environ, **environment, "PUSHLINE_PORTS_FILE": str(ports)},  # noqa: TID251 - PATH and the like for a child
            stdout=said,
        )
        try:
            until(ports.exists, 60, "the ports file")
            yield f"http://127.0.0.1:{json.loads(ports.read_text())['metrics']}"
        finally:
            process.terminate()
            assert process.wait(20) == 0


def operator(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run(arguments, Terminal(Console(file=out, width=400), Console(file=err, width=400), environment))
    return code, out.getvalue() + err.getvalue()


def told(environment: dict[str, str], *arguments: str) -> Any:
    code, said = operator(environment, *arguments, "--json")
    assert code == Exit.OK, said
    return json.loads(said)


def poison(log: KafkaLog, count: int) -> int:
    """Write so many in a row where a model's records lie; give the offset of the last one."""
    return [log.append(Message("evaluated", MODEL.encode(), b"\xff", ())).offset for _ in range(count)][-1]


def copied(log: KafkaLog) -> list[int]:
    return [letter.origin[2] for letter in read_letters(log, lambda _: False)]


def problem(status: str) -> str:
    return str(httpx.get(f"{status}/readyz").json().get("problems", {}).get("work", ""))


@pytest.mark.timeout(180)
def test_a_long_row_stops_the_deployer_is_named_everywhere_and_a_mark_in_the_log_lets_every_replica_go_on(
    log: KafkaLog, environment: dict[str, str], tmp_path: Path
) -> None:
    newest = poison(log, 3 * MOST)
    partition = partition_of(MODEL.encode(), log.partitions())
    where = ("--topic", "evaluated", "--partition", str(partition))
    stop = f"evaluated/{partition} is stopped at offset {MOST}: {3 * MOST} undecodable records in a row"

    with deployer(environment, tmp_path) as status:
        until(lambda: stop in problem(status), 60, "the stop in /readyz")
        metrics = httpx.get(f"{status}/metrics").text
        labels = f'{{partition="{partition}",topic="evaluated"}}'
        assert f"pushline_bad_records_in_a_row{labels} {3.0 * MOST}" in metrics
        assert f"pushline_stopped_at_offset{labels} {float(MOST)}" in metrics
        until(lambda: len(copied(log)) == MOST, 30, "the letters that are allowed")
        for command in (("status",), ("dlq", "list"), ("doctor",)):
            assert stop in " ".join(operator(environment, *command)[1].split()), command

        planned = told(environment, "dlq", "accept", *where, "--reason", "mended", "--dry-run")
        assert (planned["offset"], planned["in_a_row"], planned["written"]) == (newest, 3 * MOST, False)
        assert stop in problem(status)
    with deployer(environment, tmp_path) as status:  # another replica, or the same one started again
        until(lambda: stop in problem(status), 60, "the stop after a restart")
        assert told(environment, "dlq", "accept", *where, "--reason", "mended", "--actor", "ada")["written"]
        until(lambda: problem(status) == "", 30, "going on")
        until(lambda: sorted(copied(log)) == list(range(3 * MOST)), 30, "every letter")
        assert "pushline_bad_records_in_a_row{" not in httpx.get(f"{status}/metrics").text
    with deployer(environment, tmp_path) as status:
        until(lambda: httpx.get(f"{status}/readyz").is_success, 60, "readiness after the mark")

    said = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in said if line["log.level"] == "error"] == ["stopped", "stopped"]  # once a process
    assert sorted(copied(log)) == list(range(3 * MOST))


def test_what_stops_nobody_cannot_be_accepted(log: KafkaLog, environment: dict[str, str]) -> None:
    assert log.partitions() > 0
    where = ("dlq", "accept", "--reason", "x", "--topic")

    told_by = {
        "nothing": operator(environment, *where, "evaluated", "--partition", "0"),
        "topic": operator(environment, *where, "evaluating", "--partition", "0"),
        "partition": operator(environment, *where, "evaluated", "--partition", "4711"),
        "reason": operator(environment, "dlq", "accept", "--reason", " ", "--topic", "evaluated", "--partition", "0"),
    }

    assert {name: code for name, (code, _) in told_by.items()} == {
        "nothing": Exit.REFUSED, "topic": Exit.USAGE, "partition": Exit.NOT_FOUND, "reason": Exit.USAGE,
    }  # fmt: skip
    assert "Nothing stops a stage on evaluated/0" in told_by["nothing"][1]
    assert "No topic 'evaluating'" in told_by["topic"][1]
    assert "evaluated has no partition 4711" in told_by["partition"][1]
    assert read_letters(log, lambda _: True) == []
