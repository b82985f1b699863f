"""What is accepted, ignored and refused once the signature fits; and the limits in front of it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pushline.trainer.webhook.app import ReceiveLimits
from pushline.trainer.webhook.forms import Hint
from pushline.trainer.webhook.intake import Answer
from pushline.trainer.webhook.repositories import models_of, normalise
from tests.fixtures.trainer_intake.forge import A, a_model
from tests.fixtures.trainer_intake.webhooks import (
    TAKEN,
    Webhooks,
    a_github_push,
    digest,
    github_headers,
    pushline_headers,
    to_bytes,
    without,
)
from tests.waiting import until

ZERO = "0" * 40
ELSEWHERE = {"full_name": "other/thing", "clone_url": "https://git.example.com/other/thing.git"}
A_HINT = {"model": "digits", "sha": A, "ref": "refs/heads/main"}


@pytest.fixture
def webhooks() -> Webhooks:
    return Webhooks([a_model()])


@pytest.mark.parametrize(
    ("changes", "event", "reason"),
    [
        ({}, "ping", "ping"),
        ({}, "pull_request", "other_event"),
        ({}, "workflow_run", "other_event"),
        ({"ref": "refs/heads/topic"}, "push", "other_branch"),
        ({"ref": "refs/heads/main2"}, "push", "other_branch"),
        ({"ref": "main"}, "push", "other_branch"),
        ({"ref": "refs/tags/main"}, "push", "tag"),
        ({"ref": "refs/tags/v1", "after": ZERO}, "push", "tag"),
        ({"after": ZERO, "deleted": True}, "push", "deleted"),
        ({"after": ZERO}, "push", "deleted"),
        ({"deleted": True}, "push", "deleted"),
        ({"repository": ELSEWHERE}, "push", "unknown_repository"),
        ({"repository": {"full_name": "digits"}}, "push", "unknown_repository"),
        ({"repository": {"full_name": "fork/digits"}}, "push", "unknown_repository"),
        ({"repository": {"clone_url": "http://169.254.169.254/latest"}}, "push", "unknown_repository"),
        ({"repository": {"clone_url": "ext::sh -c id"}}, "push", "unknown_repository"),
        ({"repository": {"clone_url": "https://git.example.com:99999/team/digits"}}, "push", "unknown_repository"),
    ],
)
def test_what_is_no_push_to_the_branch_is_ignored_with_the_reason(
    webhooks: Webhooks, changes: dict[str, Any], event: str, reason: str
) -> None:
    body = to_bytes(a_github_push(**changes))

    answer = webhooks.github(body, github_headers(body, event))

    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"
    assert answer.json()["reason"] == reason
    assert webhooks.hints == []


def test_a_ping_is_told_what_is_configured(webhooks: Webhooks) -> None:
    body = to_bytes({"zen": "Keep it logically awesome."})

    assert "digits" in webhooks.github(body, github_headers(body, "ping")).json()["sentence"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"\xff\xfe{}",
        b'{"ref": "refs/heads/main", "ref": "refs/heads/other"}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        a_github_push(ref=None),
        a_github_push(ref=7),
        a_github_push(ref=""),
        a_github_push(after=None),
        a_github_push(after="main"),
        a_github_push(after=A[:-1]),
        a_github_push(after=A.upper()),
        a_github_push(after="--upload-pack=id"),
        a_github_push(repository=None),
        a_github_push(repository=[]),
        a_github_push(repository="team/digits"),
        a_github_push(repository={}),
        a_github_push(repository={"clone_url": 7}),
        a_github_push(repository={"full_name": None}),
    ],
)
def test_what_is_malformed_is_400(webhooks: Webhooks, body: object) -> None:
    answer = webhooks.github(body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert webhooks.hints == []


def test_a_malformed_field_is_named(webhooks: Webhooks) -> None:
    assert webhooks.github(a_github_push(after="main")).json()["error"] == "after is no full commit id"


def test_a_lone_surrogate_breaks_nothing(webhooks: Webhooks) -> None:
    body = json.dumps(a_github_push(ref="refs/heads/\ud800")).encode()

    assert webhooks.github(body).json()["reason"] == "other_branch"


@pytest.mark.parametrize("name", [b"x-github-event", b"content-type"])
def test_a_missing_or_doubled_header_is_400(webhooks: Webhooks, name: bytes) -> None:
    body = to_bytes(a_github_push())
    headers = github_headers(body)

    assert webhooks.github(body, without(headers, name)).status_code == 400
    assert webhooks.github(body, [*headers, (name, b"push")]).status_code == 400


@pytest.mark.parametrize("kind", [b"text/plain", b"application/xml", b"multipart/form-data", b""])
def test_another_content_type_is_415(webhooks: Webhooks, kind: bytes) -> None:
    body = to_bytes(a_github_push())

    headers = [*without(github_headers(body), b"content-type"), (b"content-type", kind)]
    assert webhooks.github(body, headers).status_code == 415


@pytest.mark.parametrize("body", [b"payload", b"a=b", b"payload=1&payload=2", b"\xff=1", b"payload=%7Bnot+json"])
def test_a_malformed_form_is_400(webhooks: Webhooks, body: bytes) -> None:
    headers = [*without(github_headers(body), b"content-type"), (b"content-type", b"application/x-www-form-urlencoded")]

    assert webhooks.github(body, headers).status_code == 400


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        ("https://git.example.com/team/digits.git", "https://git.example.com/team/digits"),
        ("https://git.example.com/team/digits.git", "https://GIT.example.com:443/Team/Digits.git/"),
        ("https://git.example.com/team/digits.git", "git@git.example.com:team/digits.git"),
        ("git@git.example.com:team/digits.git", "ssh://git@git.example.com/team/digits.git"),
        ("ssh://git@git.example.com:22/team/digits", "git://git.example.com/team/digits.git"),
        ("https://git.example.com:8443/team/digits", "https://git.example.com:8443/team/digits.git"),
        ("/srv/digits.git", "/srv/digits"),
        ("/srv/digits.git", "file:///srv/digits.git"),
    ],
)
def test_one_repository_has_many_spellings(configured: str, sent: str) -> None:
    assert normalise(configured) == normalise(sent)


@pytest.mark.parametrize(
    "sent",
    [
        "https://git.example.com/team/digits2.git",
        "https://git.example.com/team",
        "https://evil.example.com/team/digits.git",
        "https://git.example.com:8443/team/digits.git",
        "https://git.example.com@evil.example.com/team/digits.git",
        "https://[git.example.com/team/digits.git",
        "",
    ],
)
def test_other_repositories_are_others(sent: str) -> None:
    assert models_of([a_model()], [sent], "") == ()


def test_the_full_name_decides_only_where_no_address_does() -> None:
    digits, mirror = a_model(), a_model("mirror", repository="ssh://git@ssh.example.com/team/digits")

    assert models_of([digits, mirror], ["https://git.example.com/team/digits"], "team/digits") == (digits,)
    assert models_of([digits, mirror], ["https://web.example.com/x"], "team/digits") == (digits, mirror)


def test_the_branch_says_which_model_of_a_repository_is_meant() -> None:
    repository = a_model().repository
    webhooks = Webhooks([a_model(), a_model("candidate", repository=repository, branch="candidate")])

    webhooks.github(a_github_push(ref="refs/heads/candidate"))

    assert webhooks.hints == [Hint("candidate", A)]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, 202, None),
        ({"extra": 1}, 202, None),
        ({"model": "none-such"}, 200, "unknown_model"),
        ({"ref": "refs/heads/topic"}, 200, "other_branch"),
        ({"ref": "refs/tags/v1"}, 200, "tag"),
        ({"sha": ZERO}, 200, "deleted"),
        ({"model": 7}, 400, None),
        ({"model": ""}, 400, None),
        ({"sha": "main"}, 400, None),
        ({"sha": None}, 400, None),
        ({"ref": ["refs/heads/main"]}, 400, None),
    ],
)
def test_hints_of_emit(webhooks: Webhooks, changes: dict[str, Any], status: int, reason: str | None) -> None:
    answer = webhooks.pushline(A_HINT | changes)

    assert answer.status_code == status
    assert answer.json().get("reason") == reason


def test_a_body_above_the_limit_is_413_whatever_its_signature() -> None:
    webhooks = Webhooks([a_model()], ReceiveLimits(max_bytes=1000))

    assert webhooks.github(b"x" * 1001, ()).status_code == 413
    assert webhooks.github(b"x" * 1000, ()).status_code == 401


def test_a_body_above_the_limit_is_413_where_its_length_was_not_told_or_a_lie() -> None:
    webhooks = Webhooks([a_model()], ReceiveLimits(max_bytes=1000))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 100

    assert webhooks.post("/webhooks/github", chunks(), ()).status_code == 413
    assert webhooks.post("/webhooks/github", chunks(), [(b"content-length", b"5")]).status_code == 413
    assert webhooks.post("/webhooks/github", chunks(), [(b"content-length", b"-5")]).status_code == 400
    assert webhooks.post("/webhooks/github", chunks(), [(b"content-length", b"9" * 30)]).status_code == 413


def test_a_compressed_body_is_415(webhooks: Webhooks) -> None:
    body = to_bytes(a_github_push())

    assert webhooks.github(body, [*github_headers(body), (b"content-encoding", b"gzip")]).status_code == 415


def test_a_body_that_does_not_come_is_408() -> None:
    webhooks = Webhooks([a_model()], ReceiveLimits(max_seconds=0.1))
    received: list[dict[str, Any]] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def note(message: Any) -> None:
        received.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/github",
        "headers": [],
        "query_string": b"",
        "http_version": "1.1",
    }
    asyncio.run(asyncio.wait_for(webhooks.app(scope, never, note), 30))

    assert received[0]["status"] == 408


def test_above_so_many_requests_at_once_the_rest_is_503_at_once() -> None:
    go = threading.Event()

    def wait(_hint: Hint) -> Answer:
        assert go.wait(30)
        return TAKEN

    webhooks = Webhooks([a_model()], ReceiveLimits(max_requests=3), wait)
    body = to_bytes(A_HINT)

    async def ask() -> tuple[list[int], list[int]]:
        held = [asyncio.create_task(webhooks.send("POST", "/webhooks/pushline", body, pushline_headers(body))) for _ in range(3)]
        await asyncio.to_thread(until, lambda: len(webhooks.hints) == 3, 30, "three to be taken")
        refused = [await webhooks.send("POST", "/webhooks/pushline", body, pushline_headers(body)) for _ in range(5)]
        go.set()
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        return [(await each).status_code for each in held], [answer.status_code for answer in refused]

    assert asyncio.run(ask()) == ([202] * 3, [503] * 5)
    assert webhooks.pushline(body).status_code == 202


def test_what_all_requests_hold_in_memory_is_bounded() -> None:
    webhooks = Webhooks([a_model()], ReceiveLimits(max_buffered_bytes=2000))

    assert webhooks.github(b"x" * 2001, ()).status_code == 503
    assert webhooks.github(b"x" * 2000, ()).status_code == 401
    assert webhooks.github(b"x" * 2000, ()).status_code == 401


def test_a_look_that_takes_too_long_is_503_and_a_repeat_is_harmless() -> None:
    go = threading.Event()

    def wait(_hint: Hint) -> Answer:
        go.wait(30)
        return TAKEN

    answer = Webhooks([a_model()], take=wait).pushline(A_HINT)
    go.set()

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_a_defect_in_the_intake_is_not_taken_for_an_answer() -> None:
    def break_down(_hint: Hint) -> Answer:
        raise KeyError("odd")

    with pytest.raises(KeyError, match="odd"):
        Webhooks([a_model()], take=break_down).pushline(A_HINT)


def test_there_is_nothing_else_at_this_port(webhooks: Webhooks) -> None:
    for method, path, status in (
        ("GET", "/webhooks/github", 405),
        ("POST", "/webhooks/svn", 404),
        ("GET", "/", 404),
        ("GET", "/docs", 404),
    ):
        assert asyncio.run(webhooks.send(method, path)).status_code == status


def test_every_answer_is_reported(webhooks: Webhooks) -> None:
    webhooks.github(a_github_push())
    webhooks.github(b"", ())

    assert webhooks.reported == [("github", 202), ("github", 401)]


def test_no_answer_repeats_the_senders_words(webhooks: Webhooks) -> None:
    body = to_bytes(a_github_push(ref="refs/heads/<script>"))

    assert "script" not in webhooks.github(body).text
    assert digest(body) not in webhooks.github(body).text
