"""The trainer as the process that it is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.fixtures.trainer_intake.forge import SECRET
from tests.fixtures.trainer_intake.repository import Repository
from tests.fixtures.trainer_intake.webhooks import pushline_headers, to_bytes
from tests.waiting import until

if TYPE_CHECKING:
    from tests.servers import StoreAddress

SECONDS = 60
COMMAND = [sys.executable, "-m", "pushline.trainer"]


def run_to_the_end(environ: Mapping[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        COMMAND, env={"PATH": os.defpath, **environ}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def environ(
    tmp_path: Path, broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: "StoreAddress"
) -> dict[str, str]:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "line.toml").write_text(
        '[[models]]\nname = "digits"\nrepository = "digits.git"\nwebhook_secret_files = ["secret"]\nreconcile_interval = "1h"\n'
    )
    return {
        "PUSHLINE_CONFIG": str(tmp_path / "line.toml"),
        "PUSHLINE_WORK": str(tmp_path / "trainer"),
        "PUSHLINE_KAFKA": broker,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in kafka_options.items()),
        "PUSHLINE_TOPIC_PREFIX": topic_prefix,
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
        "PUSHLINE_WEBHOOK_PORT": "0",
        "PUSHLINE_METRICS_PORT": "0",
        "PUSHLINE_PORTS_FILE": str(tmp_path / "ports.json"),
        "PUSHLINE_TRAINING_PYTHON": sys.executable,
    }


@contextmanager
def started(environ: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    ports = Path(environ["PUSHLINE_PORTS_FILE"])
    ports.unlink(missing_ok=True)
    with subprocess.Popen(COMMAND, env={"PATH": os.environ["PATH"], **environ}, stdout=subprocess.PIPE, text=True) as process:  # noqa: TID251 - the child needs git
        try:
            until(lambda: ports.exists() or process.poll() is not None, SECONDS, "the ports")
            yield process, json.loads(ports.read_text())
        finally:
            process.kill()


def emit(port: int, sha: str) -> httpx.Response:
    body = to_bytes({"model": "digits", "sha": sha, "ref": "refs/heads/main"})
    headers = [(name.decode(), value.decode()) for name, value in pushline_headers(body)]
    return httpx.post(f"http://127.0.0.1:{port}/webhooks/pushline", content=body, headers=headers, timeout=SECONDS)


def readiness(port: int) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS).json()
    return told


def test_it_listens_gets_ready_takes_a_push_and_stops_cleanly(environ: dict[str, str], tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    with started(environ) as (process, ports):
        until(lambda: readiness(ports["metrics"])["ready"], SECONDS, "readiness")

        answer = emit(ports["webhook"], repository.push())
        assert answer.status_code == 202
        assert "pushline_webhooks_total" in httpx.get(f"http://127.0.0.1:{ports['metrics']}/metrics", timeout=SECONDS).text
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert {"port_metrics": ports["metrics"], "port_webhook": ports["webhook"]} in [line.get("labels") for line in lines]
    assert SECRET.decode() not in out


def test_what_was_answered_202_survives_a_kill(environ: dict[str, str], tmp_path: Path) -> None:
    sha = Repository(tmp_path).push()
    with started(environ) as (process, ports):
        until(lambda: readiness(ports["metrics"])["ready"], SECONDS, "readiness")
        first = emit(ports["webhook"], sha).json()
        process.kill()

    with started(environ) as (_, ports):
        again = until(lambda: (answer := emit(ports["webhook"], sha)).status_code == 202 and answer.json(), SECONDS, "the repeat")

    assert again["run_id"] == first["run_id"]


def test_every_missing_setting_is_in_one_message() -> None:
    code, out, said = run_to_the_end({"PUSHLINE_WEBHOOK_PORT": "http", "PUSHLINE_SANDBOX": "none", "PUSHLINE_EMIT_SECRET": "short"})

    assert code == 2
    assert out == ""
    assert [line.split(" ")[0].rstrip(":") for line in said.splitlines()] == [
        "PUSHLINE_CONFIG",
        "PUSHLINE_WORK",
        "PUSHLINE_SANDBOX",
        "PUSHLINE_WEBHOOK_PORT",
        "PUSHLINE_EMIT_SECRET",
        "PUSHLINE_KAFKA",
        "PUSHLINE_S3_ENDPOINT",
        "PUSHLINE_S3_ACCESS_KEY",
        "PUSHLINE_S3_SECRET_KEY",
    ]
    assert "short" not in said


def test_a_wrong_operators_file_is_one_sentence_with_file_and_key(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[[models]]\nname = "digits"\nrepo = "digits.git"\n')

    code, _, said = run_to_the_end(environ)

    assert code == 2
    assert said == f"{tmp_path / 'line.toml'}: models[0].repository: is missing\n"


def test_a_work_folder_that_cannot_be_made_is_one_sentence(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    code, _, said = run_to_the_end({**environ, "PUSHLINE_WORK": str(tmp_path / "file/work")})

    assert code == 2
    assert said.startswith("PUSHLINE_WORK: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ["WEBHOOK", "METRICS"])
def test_a_taken_port_is_one_sentence(environ: dict[str, str], tmp_path: Path, name: str) -> None:
    Repository(tmp_path)
    with started(environ) as (_, ports):
        code, _, said = run_to_the_end({**environ, f"PUSHLINE_{name}_PORT": str(ports[name.lower()])})

    assert code == 2
    assert said == f"PUSHLINE_{name}_PORT: cannot listen on 127.0.0.1 port {ports[name.lower()]}: Address already in use\n"
