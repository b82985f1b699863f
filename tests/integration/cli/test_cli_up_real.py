"""`pushline up --real` as a new user runs it, told by a Gitea: stopped, started again, still serving, its history intact."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pushline.cli.exits import Exit
from pushline.client import Client
from tests.e2e.running_line import bare_repository
from tests.faults import repositories
from tests.faults.conftest import stub_interpreter
from tests.faults.procfs import told
from tests.fixtures.evaluator.launching import TRAINING_PYTHON
from tests.fixtures.trainer_intake.git_http import GitOverHttp, git_over_http
from tests.fixtures.trainer_intake.webhooks import gitea_headers, payload, to_bytes
from tests.waiting import until

if TYPE_CHECKING:
    from pushline.servers.real_parts import Parts

PUSHLINE = (sys.executable, "-m", "pushline.cli")
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def environ(tmp_path: Path, real_parts: "Parts") -> dict[str, str]:
    everything = dict(os.environ)  # noqa: TID251 - a child needs PATH
    pythons = {
        "PUSHLINE_TRAINING_PYTHON": str(stub_interpreter(tmp_path / "training")),
        "PUSHLINE_TENSORFLOW_PYTHON": str(TRAINING_PYTHON),  # the stub has no TensorFlow, and model.h5 is asked
    }
    return {**everything, **pythons, "PARTS": str(real_parts)}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[GitOverHttp]:
    (tmp_path / "forge").mkdir()
    with git_over_http(tmp_path / "forge") as serving:
        yield serving


@contextmanager
def up(folder: Path, environ: dict[str, str], *options: str) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    command = [*PUSHLINE, "up", "line.toml", "--real", "--free-ports", "--json", *options]
    with (folder / "up.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True, env=environ)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, (folder / "up.log").read_text()
        yield folder / json.loads(said)["line"], process
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(60)


def pushline(folder: Path, environ: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command: Sequence[str] = [*PUSHLINE, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environ, timeout=60)


def runs(folder: Path, environ: dict[str, str], line: Path) -> list[dict[str, Any]]:
    done = pushline(folder, environ, "runs", "--json", "--line", str(line))
    assert done.returncode == Exit.OK, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def told_of(folder: Path, address: str, line: Path, sha: str) -> bool:
    """Post what Gitea posts after a push, signed with the secret that `--write-config` made."""
    data = json.loads(payload("gitea-push"))
    data["after"] = sha
    data["repository"]["clone_url"] = address
    body = to_bytes(data)
    headers = dict(gitea_headers(body, secret=(folder / "secrets" / "m").read_bytes().strip()))
    port = json.loads(line.read_text())["ports"]["trainer"]["webhook"]
    told = {name.decode(): value.decode() for name, value in headers.items()}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/webhooks/gitea", body, told), timeout=30
        ) as answer:
            return bool(answer.status == HTTPStatus.ACCEPTED)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return False


def answers(line: Path) -> list[list[float]] | None:
    told = json.loads(line.read_text())
    with Client(f"127.0.0.1:{told['ports']['predictor']['grpc']}") as client:
        try:
            answer: list[list[float]] = client.predict(repositories.X, model="m").y.tolist()
        except Exception:  # noqa: BLE001 - not yet, for whatever reason: the wait says how long
            return None
        return answer


def test_a_line_on_real_servers_goes_on_where_it_was_stopped(tmp_path: Path, environ: dict[str, str], forge: GitOverHttp) -> None:
    repository = bare_repository(forge.root, "m")
    address = forge.url("m.git")
    wrote = pushline(tmp_path, environ, "up", "--write-config", "line.toml", "--repository", address, "--model", "m")
    assert wrote.returncode == Exit.OK, wrote.stderr
    with up(tmp_path, environ) as (line, process):
        sha = repository.push(repositories.good(3.0))
        assert told_of(tmp_path, address, line, sha)
        until(lambda: answers(line) == [[3.0, 6.0, 9.0]], 90, "the first answer")
        before = runs(tmp_path, environ, line)
    assert process.returncode == Exit.OK, (tmp_path / "up.log").read_text()
    assert [run["outcome"] for run in before] == ["deployed"]
    assert pushline(tmp_path, environ, "up", "line.toml").returncode == Exit.BAD_FILE  # an embedded line would lose it all

    with up(tmp_path, environ) as (line, process):
        until(lambda: answers(line) == [[3.0, 6.0, 9.0]], 60, "the answer after the start")
        assert runs(tmp_path, environ, line) == before
        process.kill()  # the servers end with it
        process.wait(10)

    with up(tmp_path, environ) as (line, process):
        kafka = next(int(pid.name) for pid in Path("/proc").iterdir() if pid.name.isdigit() and str(tmp_path) in environ_of(pid))
        os.kill(kafka, 9)
        until(lambda: answers(line) == [[3.0, 6.0, 9.0]], 60, "the answer while the broker comes back")
        sha = repository.push(repositories.good(4.0))
        until(lambda: told_of(tmp_path, address, line, sha), 60, "a trainer that takes hints again")
        until(lambda: answers(line) == [[4.0, 8.0, 12.0]], 90, "the next model")
        assert [run["outcome"] for run in runs(tmp_path, environ, line)] == ["deployed", "deployed"]


def environ_of(folder: Path) -> str:
    pid = int(folder.name)
    return told(pid, "environ") if "kafka.Kafka" in told(pid, "cmdline") else ""
