"""A signed push of each of the four forges, from private repositories that git itself serves over HTTP, to an answer."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.client import Client
from tests.e2e.running_line import RunningLine, running_line, secret_of, tree
from tests.e2e.test_a_push_becomes_a_prediction import EXAMPLES, TOPICS, frozen_rows, plain_events
from tests.fixtures.trainer_intake.git_http import GitOverHttp, git_over_http
from tests.fixtures.trainer_intake.webhooks import (
    SIGNING_TOKEN,
    bitbucket_headers,
    gitea_headers,
    github_headers,
    gitlab_headers,
    payload,
    to_bytes,
)

TOKEN = "the-token-of-the-trainer-9d1c"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Sender:
    """A forge, the model that it tells of, and the example which that model is made from."""

    forge: str
    model: str
    example: str
    sign: Callable[[bytes], Headers]
    tell: Callable[[dict[str, Any], str, str], None]  # puts address and SHA into a payload as documented


def as_github(data: dict[str, Any], address: str, sha: str) -> None:
    data["after"] = sha
    data["repository"] |= {"clone_url": address, "ssh_url": "git@127.0.0.1:elsewhere.git", "html_url": address.removesuffix(".git")}


def as_gitlab(data: dict[str, Any], address: str, sha: str) -> None:
    data |= {"after": sha, "checkout_sha": sha}
    data["project"]["git_http_url"] = address


def as_bitbucket(data: dict[str, Any], address: str, sha: str) -> None:
    data["push"]["changes"][-1]["new"]["target"]["hash"] = sha
    data["repository"]["links"]["html"]["href"] = address.removesuffix(".git")


SENDERS = (
    Sender("github", "digits", "digits", lambda body: github_headers(body, secret=secret_of("digits")), as_github),
    Sender("gitlab", "subclassed", "subclassed", gitlab_headers, as_gitlab),
    Sender("gitea", "diabetes", "diabetes", lambda body: gitea_headers(body, secret=secret_of("diabetes")), as_github),
    Sender("bitbucket", "figures", "digits", lambda body: bitbucket_headers(body, secret=secret_of("figures")), as_bitbucket),
)
PAYLOADS = {"github": "github-push", "gitlab": "gitlab-push", "gitea": "gitea-push", "bitbucket": "bitbucket-push-many"}
MODELS = [sender.model for sender in SENDERS]


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitOverHttp]:
    with git_over_http(tmp_path_factory.mktemp("forge"), f"x-token-auth:{TOKEN}") as serving:
        yield serving


@pytest.fixture(scope="module")
def line(forge: GitOverHttp) -> Iterator[RunningLine]:
    team = forge.root / "team"
    team.mkdir()
    for name, secret in (("token", TOKEN), ("signing-token", SIGNING_TOKEN.decode())):
        (team / name).write_text(secret)
        (team / name).chmod(0o600)
    tables = dict.fromkeys(MODELS, 'token_file = "token"')
    tables["subclassed"] += '\nwebhook_secret_files = ["signing-token"]'
    with running_line(team, tables, lambda it: forge.url(f"team/{it.bare.name}")) as running:
        yield running


def post(line: RunningLine, sender: Sender, sha: str) -> tuple[int, dict[str, Any]]:
    data = json.loads(payload(PAYLOADS[sender.forge]))
    sender.tell(data, line.told["models"][sender.model]["repository"], sha)
    body = to_bytes(data)
    headers = {name.decode(): value.decode() for name, value in sender.sign(body)}
    url = f"http://127.0.0.1:{line.told['ports']['trainer']['webhook']}/webhooks/{sender.forge}"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def runs(line: RunningLine) -> dict[str, str]:
    """Push each example, tell the trainer as its forge does, and give the runs once they are served."""
    started = {}
    for sender in SENDERS:
        files = tree(EXAMPLES / sender.example)
        if sender.model != sender.example:
            files.pop("pushline.toml", None)  # it names its model
        sha = line.repositories[sender.model].push(files)
        status, answer = post(line, sender, sha)
        assert (status, answer["sha"]) == (202, sha)
        started[sender.model] = str(answer["run_id"])
    for run in started.values():
        ended = line.ended(run)
        assert ended.outcome == "deployed", ended.sentence
        line.served(run)
    return started


def test_every_push_is_each_of_the_five_events_once(line: RunningLine, runs: dict[str, str]) -> None:
    events = plain_events(line)

    for run in runs.values():
        mine = [event for event in events if event[2]["run_id"] == run]
        ids = {topic: headers["ce_id"].decode() for topic, headers, _ in mine}
        assert [topic for topic, _, _ in mine] == list(TOPICS)
        assert {topic: value["caused_by"] for topic, _, value in mine} == {"commit": ""} | {
            after: ids[before] for before, after in pairwise(TOPICS)
        }


@pytest.mark.parametrize("model", MODELS)
def test_each_answers_and_is_right(line: RunningLine, runs: dict[str, str], model: str) -> None:
    rows, wanted = frozen_rows(line, runs[model])

    with Client(line.grpc) as client:
        answer = client.predict(rows, model=model)

    found = np.asarray(answer.y)
    assert answer.commit == line.repositories[model].git("rev-parse", "HEAD")
    if found.shape[-1] == 1:
        assert np.mean((found.reshape(-1) - wanted) ** 2) < 0.8 * np.var(wanted)
    else:
        assert np.mean(np.argmax(found, axis=1) == wanted) > 0.9


@pytest.mark.parametrize("sender", SENDERS, ids=[sender.forge for sender in SENDERS])
def test_the_same_delivery_again_is_the_same_run(line: RunningLine, runs: dict[str, str], sender: Sender) -> None:
    status, answer = post(line, sender, line.repositories[sender.model].git("rev-parse", "HEAD"))

    assert (status, answer["run_id"]) == (202, runs[sender.model])


def test_the_token_is_in_no_event_and_no_log(line: RunningLine, runs: dict[str, str], forge: GitOverHttp) -> None:
    assert runs
    assert any(given.startswith("Basic ") for _, _, given in forge.log)
    kept = [path for path in Path(forge.root, "team").rglob("*") if path.is_file() and path.name != "token"]

    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in json.dumps([value for _, _, value in plain_events(line)])
