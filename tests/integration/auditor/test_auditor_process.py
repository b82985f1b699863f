"""The auditor as a process, on a real broker, over HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pushline.line.kafka import KafkaLog
from tests.unit.auditor.telling import Telling
from tests.waiting import until

DEADLINE_SECONDS = 30.0


@contextmanager
def auditor(folder: Path, **environ: str) -> Iterator[str]:
    """Give the address of a running auditor."""
    ports = folder / "ports.json"
    settings = {"PATH": os.defpath, "PUSHLINE_HTTP_PORT": "0", "PUSHLINE_PORTS_FILE": str(ports), **environ}
    process = subprocess.Popen([sys.executable, "-m", "pushline.auditor"], env=settings, stdout=subprocess.DEVNULL)
    try:
        until(lambda: ports.exists() or process.poll() is not None, DEADLINE_SECONDS, "an auditor that listens")
        assert process.poll() is None, "the auditor ended"
        yield f"http://127.0.0.1:{json.loads(ports.read_text())['http']}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def ask(url: str) -> Any:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        return json.load(answer)


def is_ready(address: str) -> bool:
    try:
        ask(f"{address}/readyz")
    except HTTPError as error:
        error.close()
        return False
    return True


def test_an_auditor_shows_what_a_real_broker_holds(
    broker: str, topic_prefix: str, kafka_options: dict[str, str], tmp_path: Path
) -> None:
    with closing(KafkaLog(broker, topic_prefix, kafka_options)) as log:
        told = Telling(log).deploy("first")
    options = ";".join(f"{name}={value}" for name, value in kafka_options.items())

    with auditor(tmp_path, PUSHLINE_KAFKA=broker, PUSHLINE_TOPIC_PREFIX=topic_prefix, PUSHLINE_KAFKA_OPTIONS=options) as address:
        until(lambda: is_ready(address), DEADLINE_SECONDS, "a ready auditor")
        run = ask(f"{address}/api/runs/{told.run_id}")
        audit = ask(f"{address}/api/audit")

    assert (run["stage"], run["live"], len(run["events"])) == ("deployed", True, 5)
    assert (audit["records"], audit["gaps"], audit["problems"]) == (5, [], [])


def test_an_auditor_without_a_broker_lives_and_is_not_ready(tmp_path: Path) -> None:
    with auditor(tmp_path, PUSHLINE_KAFKA="127.0.0.1:1") as address:
        assert ask(f"{address}/livez") == {"live": True}
        with pytest.raises(HTTPError) as refused:
            ask(f"{address}/readyz")

        assert json.load(refused.value)["ready"] is False
        refused.value.close()


def test_settings_that_are_missing_or_wrong_are_named_in_one_message() -> None:
    environ = {"PATH": os.defpath, "PUSHLINE_HTTP_PORT": "99999"}

    ended = subprocess.run([sys.executable, "-m", "pushline.auditor"], env=environ, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "PUSHLINE_KAFKA is missing" in ended.stderr
    assert "PUSHLINE_HTTP_PORT" in ended.stderr
