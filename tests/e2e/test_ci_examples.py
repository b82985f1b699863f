"""The steps of the examples for other CI systems, run by the shells that these systems give them, against a line at work."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushline.cli.exits import Exit
from pushline.cli.line_file import StoreAccess
from tests.e2e.running_line import environment, secret_of
from tests.faults import repositories
from tests.faults.conftest import stub_interpreter
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.servers import BrokerAddress, StoreAddress, topics_of_its_own

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
MODEL = "digits"
pytestmark = pytest.mark.timeout(300)
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # what a runner of GitHub's gives to `run`
SH = ("sh", "-e", "-c")
DECLARATIVE = {"agent", "options", "stages", "stage", "when", "environment", "steps", "post", "always", "label"}


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, broker_address: BrokerAddress, store_settings: StoreAddress
) -> dict[str, str]:
    """What the variables and secrets of a project are set to."""
    secret = tmp_path_factory.mktemp("secrets") / "webhook"
    secret.write_bytes(secret_of(MODEL))
    return {
        "PUSHLINE_MODEL": MODEL,
        "PUSHLINE_WEBHOOK_SECRET": secret_of(MODEL).decode(),
        "PUSHLINE_WEBHOOK_SECRET_FILE": str(secret),
        "PUSHLINE_KAFKA": broker_address.bootstrap,
        **{f"PUSHLINE_S3_{name.upper()}": value for name, value in store_settings._asdict().items()},
    }


@pytest.fixture(scope="module")
def prefix(broker_address: BrokerAddress) -> Iterator[str]:
    with topics_of_its_own(broker_address, "ci") as made:
        yield made


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory, broker_address: BrokerAddress, store_settings: StoreAddress, prefix: str
) -> Iterator[FaultLine]:
    folder = tmp_path_factory.mktemp("ci")
    place = Place(broker_address.bootstrap, StoreAccess(*store_settings), prefix, kafka_options=broker_address.options)
    with fault_line(folder / "line", place, Wish({MODEL: ""}, stub_interpreter(folder / "training"))) as running:
        yield running


@pytest.fixture
def given(line: FaultLine, settings: dict[str, str], prefix: str, broker_address: BrokerAddress) -> dict[str, str]:
    """What every step finds in its environment, whatever the system: where the command is, and this test's own broker."""
    settings["PUSHLINE_WEBHOOK_URL"] = f"http://127.0.0.1:{line.seen.told['ports']['trainer']['webhook']}"
    options = ";".join(f"{name}={value}" for name, value in broker_address.options.items())
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment()['PATH']}"
    return {**environment(), "PATH": path, "PUSHLINE_KAFKA_OPTIONS": options, "PUSHLINE_TOPIC_PREFIX": prefix}


def run(shell: tuple[str, ...], script: str, env: Mapping[str, str], folder: Path) -> str:
    ended = subprocess.run([*shell, script], env=dict(env), cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, f"{script}\nended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout + ended.stderr


def from_project(table: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, str]:
    """Put the project's variables and secrets in."""
    return {
        name: re.sub(r"\$\{\{ (?:vars|secrets)\.(\w+) \}\}", lambda found: settings[found[1]], value)
        for name, value in table.items()
    }


def github_job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())["jobs"]["release"]
    return job


def gitlab_job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["release"]
    return job


def jenkins_steps() -> list[str]:
    text = (EXAMPLES / "Jenkinsfile").read_text()
    return [textwrap.dedent(step) for step in re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)]


def test_github_actions(line: FaultLine, settings: dict[str, str], given: dict[str, str], tmp_path: Path) -> None:
    job = github_job()
    sha = line.repositories[MODEL].push(repositories.good(2.0))
    summary = tmp_path / "summary.md"
    env = {
        **given,
        "GITHUB_SHA": sha,
        "GITHUB_REF": "refs/heads/main",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    env |= from_project(job["env"], settings)

    said = [run(BASH, step["run"], {**env, **from_project(step.get("env", {}), settings)}, tmp_path) for step in job["steps"]]

    assert line.run(line.run_of(MODEL, sha)).outcome == "deployed"
    assert "Accepted: digits" in summary.read_text()
    assert settings["PUSHLINE_WEBHOOK_SECRET"] not in "".join(said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["summary.md"]  # the secret's file is gone


def test_gitlab_ci(line: FaultLine, settings: dict[str, str], given: dict[str, str], tmp_path: Path) -> None:
    job = gitlab_job()
    sha = line.repositories[MODEL].push(repositories.good(3.0))
    env = {**given, **settings, "CI_COMMIT_SHA": sha, "CI_COMMIT_BRANCH": "main"}

    run(SH, "\n".join(job["script"]), env, tmp_path)
    run(SH, "\n".join(job["after_script"]), env, tmp_path)

    assert line.run(line.run_of(MODEL, sha)).outcome == "deployed"
    assert [(tmp_path / name).read_text()[:15] for name in job["artifacts"]["paths"]] == ["<!doctype html>"]


def test_jenkins(line: FaultLine, settings: dict[str, str], given: dict[str, str], tmp_path: Path) -> None:
    steps = jenkins_steps()
    sha = line.repositories[MODEL].push(repositories.good(4.0))
    env = {**given, **settings, "GIT_COMMIT": sha, "BRANCH_NAME": "main"}

    for step in steps:
        run(("sh", "-xe", "-c"), step, env, tmp_path)

    assert len(steps) == 3
    assert line.run(line.run_of(MODEL, sha)).outcome == "deployed"
    assert (tmp_path / "verdict.html").exists()


@pytest.mark.parametrize("step", [github_job()["steps"][1]["run"], jenkins_steps()[1]], ids=["github", "jenkins"])
@pytest.mark.parametrize(
    ("code", "job_fails"), [(0, False), (Exit.RUN_SUPERSEDED, False), (Exit.RUN_REJECTED, True), (Exit.RUN_FAILED, True)]
)
def test_a_push_that_a_newer_one_overtook_is_no_failure_and_every_other_end_is(
    tmp_path: Path, step: str, code: int, *, job_fails: bool
) -> None:
    """The command is a stand-in here: what it ends with is what this is about."""
    (tmp_path / "pushline").write_text(f"#!/bin/sh\nexit {int(code)}\n")
    (tmp_path / "pushline").chmod(0o755)
    env = {**environment(), "PATH": f"{tmp_path}{os.pathsep}{environment()['PATH']}"}

    ended = subprocess.run([*BASH, step], env=env, capture_output=True, check=False, timeout=20)

    assert (ended.returncode != 0) == job_fails


def test_gitlab_forgives_that_end_and_no_other() -> None:
    assert gitlab_job()["allow_failure"] == {"exit_codes": [Exit.RUN_SUPERSEDED]}


def test_the_jenkinsfile_is_one_declarative_pipeline_of_known_sections() -> None:
    text = re.sub(r"'''.*?'''|'[^'\n]*'|//[^\n]*", "", (EXAMPLES / "Jenkinsfile").read_text(), flags=re.DOTALL).strip()
    depth = [text[:at].count("{") - text[:at].count("}") for at, letter in enumerate(text) if letter in "{}"]

    assert re.match(r"pipeline \{", text)
    assert min(depth[1:]) > 0  # one pipeline, whose end is the file's
    assert text.count("{") == text.count("}")
    assert set(re.findall(r"(\w+)(?:\([^)]*\))? \{", text)) <= {"pipeline", *DECLARATIVE}
    needed = {"agent", "stages", "stage", "steps"}
    assert needed <= set(re.findall(r"(\w+)(?:\([^)]*\))? \{", text))
