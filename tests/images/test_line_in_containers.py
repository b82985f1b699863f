"""A signed push becomes a prediction where every service is a container of its image, and nothing but that."""

import hashlib
import hmac
import json
import urllib.request
from typing import Any

import numpy as np
import pytest

from pushline.client import Answer, Client
from tests.e2e.running_line import tree
from tests.images.containers import MODEL, ROOT, RUN_SECONDS, SERVICES, USER, Line

STOPPED = 0
STATE = """
import pathlib
for path in pathlib.Path("/proc").glob("[0-9]*/status"):
    facts = dict(line.split(":", 1) for line in path.read_text().splitlines())
    state, user = facts["State"].split()[0] + facts["Name"].strip(), facts["Uid"].split()[0]
    print(state, user, facts["CapEff"].strip(), facts["NoNewPrivs"].strip())
"""
REFUSED = """
import ctypes, platform
keys, trace = {"x86_64": (250, 101), "aarch64": (219, 117)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {"keyctl": keys, "ptrace": trace, "io_uring_setup": 425}.items():
    print(name, libc.syscall(number, 0, 0, 0, 0), ctypes.get_errno())
"""


@pytest.fixture(scope="session")
def sha(line: Line) -> str:
    """Push an example, tell the trainer of it as GitHub does, and wait until a replica serves it."""
    sha = line.repository.push(tree(ROOT / "examples" / MODEL))
    repository = {"clone_url": f"http://forge:8000/{MODEL}.git", "full_name": MODEL}
    body = json.dumps({"ref": "refs/heads/main", "after": sha, "deleted": False, "repository": repository}).encode()
    signature = hmac.new(line.webhook_secret, body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": f"sha256={signature}"}
    request = urllib.request.Request(
        f"http://{line.at('trainer')}/webhooks/github", body, {**headers, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        assert answer.status == 202
    line.command("wait", sha, "--timeout", f"{RUN_SECONDS - 20:g}s")
    return sha


@pytest.mark.timeout(RUN_SECONDS * 2)
def test_a_signed_push_becomes_a_prediction_that_names_the_commit(line: Line, sha: str) -> None:
    with Client(line.at("predictor")) as client:
        answer = client.predict(np.zeros((1, 64), np.float32), model=MODEL)

    assert isinstance(answer, Answer)
    assert answer.commit == sha
    assert len(answer.y[0]) == 10


def test_the_training_and_the_trial_were_confined_by_bubblewrap(line: Line, sha: str) -> None:
    (run,) = _asked(line, "/api/runs")["runs"]

    told = json.dumps(_asked(line, f"/api/runs/{run['run_id']}"))

    assert run["commit"] == sha or sha in told
    assert '"bubblewrap"' in told
    assert "bubblewrap does not work" not in line.logs("evaluator")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_root_no_capability_no_writable_root_and_leaves_no_dead_child_behind(
    line: Line, sha: str, service: str
) -> None:
    assert sha
    told = line.engine("exec", line.container(service), "/opt/pushline/bin/python", "-I", "-S", "-c", STATE).splitlines()
    states, users, capabilities, bounded = zip(*(each.split() for each in told), strict=True)

    assert line.inspect(service, "{{.HostConfig.ReadonlyRootfs}}") == "true"
    assert set(users) == {str(USER)}
    assert {int(each, 16) for each in capabilities} == {0}
    assert set(bounded) == {"1"}
    assert [state for state in states if state.startswith("Z")] == []


@pytest.mark.parametrize("service", ["trainer", "evaluator"])
def test_what_no_service_calls_is_refused_where_sandboxes_are_made(line: Line, service: str) -> None:
    told = line.engine("exec", line.container(service), "/opt/pushline/bin/python", "-I", "-S", "-c", REFUSED)

    assert told.splitlines() == ["keyctl -1 1", "ptrace -1 1", "io_uring_setup -1 1"]


def test_the_auditor_shows_the_run_on_its_page(line: Line, sha: str) -> None:
    with urllib.request.urlopen(f"http://{line.at('auditor')}/", timeout=30) as page:
        assert sha[:10] in page.read().decode()


def test_a_stopped_container_ends_by_itself_and_cleanly(line: Line, sha: str) -> None:
    """Runs last."""
    assert sha
    line.engine("stop", "--time", "60", *(line.container(service) for service in SERVICES))

    ended = {service: line.inspect(service, "{{.State.ExitCode}} {{.State.OOMKilled}}") for service in SERVICES}

    assert ended == dict.fromkeys(SERVICES, f"{STOPPED} false")


def _asked(line: Line, path: str) -> Any:
    with urllib.request.urlopen(f"http://{line.at('auditor')}{path}", timeout=30) as answer:
        return json.loads(answer.read())
