"""What is malformed in a forge's words is 400 and names the field; nothing that a sender may write is an error of ours."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.trainer_intake.forge import A
from tests.fixtures.trainer_intake.forges import (
    Sign,
    listening,
    of_data_center,
    replaced,
    send,
)
from tests.fixtures.trainer_intake.webhooks import (
    Headers,
    Webhooks,
    bitbucket_headers,
    gitea_headers,
    github_headers,
    gitlab_headers,
    payload,
    standard_signature,
    to_bytes,
)


@pytest.fixture
def webhooks() -> Webhooks:
    return listening()


GITLAB, GITEA, BITBUCKET = payload("gitlab-push"), payload("gitea-push"), payload("bitbucket-push")
ID = b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f"


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> bytes:
    data: dict[str, Any] = json.loads(payload(name))
    change(data)
    return to_bytes(data)


def first(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data.get("push", data)["changes"][0]
    return found


MALFORMED: list[tuple[str, str, Callable[[dict[str, Any]], object], str]] = [
    ("gitlab", "gitlab-push", lambda data: data.pop("project"), "project is missing or no object"),
    ("gitlab", "gitlab-push", lambda data: data.update(project=[]), "project is missing or no object"),
    ("gitlab", "gitlab-push", lambda data: data.update(object_kind="note"), "object_kind is not push"),
    ("gitlab", "gitlab-push", lambda data: data.update(after=None), "after is missing or no text"),
    ("gitlab", "gitlab-push", lambda data: data.update(after="main"), "after is no full commit id"),
    ("gitlab", "gitlab-push", lambda data: data["project"].update(git_http_url=7), "project.git_http_url is no text"),
    ("gitea", "gitea-push", lambda data: data.update(ref=7), "ref is missing or no text"),
    ("gitea", "gitea-push", lambda data: data.update(repository={}), "repository has neither an address nor a full_name"),
    ("bitbucket", "bitbucket-push", lambda data: data.update(push=None), "push is missing or no object"),
    ("bitbucket", "bitbucket-push", lambda data: data["push"].update(changes={}), "push.changes is missing or no list of objects"),
    ("bitbucket", "bitbucket-push", lambda data: data["push"].update(changes=[1]), "push.changes is missing or no list of objects"),
    ("bitbucket", "bitbucket-push", lambda data: first(data)["new"].pop("name"), "push.changes[0].new.name is missing or no text"),
    (
        "bitbucket",
        "bitbucket-push",
        lambda data: first(data)["new"]["target"].update(hash="--upload-pack=id"),
        "push.changes[0].new.target.hash is no full commit id",
    ),
    (
        "bitbucket",
        "bitbucket-push",
        lambda data: first(data).update(new=None, old=None),
        "push.changes[0].old is missing or no object",
    ),
    ("bitbucket", "bitbucket-push", lambda data: data["repository"].pop("full_name"), "repository.full_name is missing or no text"),
    ("bitbucket", "bitbucket-dc-push", lambda data: first(data).pop("toHash"), "changes[0].toHash is missing or no text"),
    ("bitbucket", "bitbucket-dc-push", lambda data: data["repository"].pop("slug"), "repository.slug is missing or no text"),
    (
        "bitbucket",
        "bitbucket-dc-push",
        lambda data: data["repository"].update(links={"clone": [{"href": 7}]}),
        "repository.links.clone has no href",
    ),
]


@pytest.mark.parametrize(("door", "name", "change", "said"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_malformed_is_400_and_names_the_field(
    door: str, name: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    webhooks, body = listening(door), changed(name, change)
    sign: Mapping[str, Sign] = {"gitlab": gitlab_headers, "gitea": gitea_headers, "bitbucket": bitbucket_headers}
    headers = of_data_center(body) if "-dc-" in name else sign[door](body)

    answer = send(webhooks, door, body, headers)

    assert (answer.status_code, answer.json()["error"]) == (400, said)
    assert webhooks.hints == []


@pytest.mark.parametrize("door", ["gitlab", "bitbucket"])
def test_another_content_type_is_415(door: str) -> None:
    body = GITLAB if door == "gitlab" else BITBUCKET
    headers = gitlab_headers(body) if door == "gitlab" else bitbucket_headers(body)

    assert (
        send(listening(door), door, body, replaced(headers, content_type=b"application/x-www-form-urlencoded")).status_code == 415
    )


@pytest.mark.parametrize(
    ("door", "header"), [("gitlab", b"x-gitlab-event"), ("gitea", b"x-gitea-event"), ("bitbucket", b"x-event-key")]
)
def test_an_event_header_that_stands_twice_is_400(door: str, header: bytes) -> None:
    bodies: dict[str, tuple[bytes, Sign]] = {
        "gitlab": (GITLAB, gitlab_headers),
        "gitea": (GITEA, gitea_headers),
        "bitbucket": (BITBUCKET, bitbucket_headers),
    }
    body, sign = bodies[door]

    assert send(listening(door), door, body, [*sign(body), (header, b"push")]).status_code == 400


def test_event_headers_of_gitea_that_contradict_each_other_are_400(webhooks: Webhooks) -> None:
    assert send(webhooks, "gitea", GITEA, replaced(gitea_headers(GITEA), x_gitea_event=b"delete")).status_code == 400


@pytest.mark.parametrize("coding", [[b"gzip"], [b"identity", b"gzip"], [b"gzip", b"identity"]])
def test_a_compressed_body_is_415_in_whatever_order_it_is_said(webhooks: Webhooks, coding: list[bytes]) -> None:
    headers = [*gitlab_headers(GITLAB), *((b"content-encoding", each) for each in coding)]

    assert send(webhooks, "gitlab", GITLAB, headers).status_code == 415


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([A, "refs/heads/main", "branch"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
DOORS: dict[str, tuple[tuple[str, ...], Sign]] = {
    "gitlab": (("gitlab-push", "gitlab-merge-request"), gitlab_headers),
    "gitea": (("gitea-push",), gitea_headers),
    "bitbucket": (("bitbucket-push", "bitbucket-push-many"), bitbucket_headers),
    "github": (("github-push",), github_headers),
}


def spoil(data: Any, choose: st.DataObject) -> Any:
    """Put something else in place of one part, however deep."""
    if isinstance(data, dict) and data and choose.draw(st.booleans()):
        name = choose.draw(st.sampled_from(sorted(data)))
        return data | {name: spoil(data[name], choose)}
    if isinstance(data, list) and data and choose.draw(st.booleans()):
        return [spoil(data[0], choose), *data[1:]]
    return choose.draw(JSON)


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
@given(choose=st.data())
def test_no_signed_body_is_ever_an_error_of_ours(door: str, choose: st.DataObject) -> None:
    names, sign = DOORS[door]
    data = spoil(json.loads(payload(choose.draw(st.sampled_from(names)))), choose)
    body = json.dumps(data).encode()

    assert send(listening(door), door, body, sign(body)).status_code in {200, 202, 400}


NAMES = st.sampled_from(
    [
        *(b"webhook-signature", b"webhook-id", b"webhook-timestamp", b"x-gitlab-token", b"x-hub-signature", b"x-hub-signature-256"),
        *(b"x-gitea-signature", b"x-forgejo-signature", b"x-event-key", b"x-gitlab-event", b"content-type"),
    ]
)
VALUES = st.binary(max_size=80).filter(lambda value: not set(value) & {0, 10, 13})


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
@given(headers=st.lists(st.tuples(NAMES, VALUES), max_size=8), body=st.binary(max_size=200))
def test_no_unsigned_request_is_anything_but_401(door: str, headers: Headers, body: bytes) -> None:
    assert send(listening(door), door, body, headers).status_code == 401


def test_what_is_signed_is_id_time_and_body_in_this_order(webhooks: Webhooks) -> None:
    headers = gitlab_headers(GITLAB)
    seconds = dict(headers)[b"webhook-timestamp"]
    swapped = b"v1," + standard_signature(seconds, ID, GITLAB)

    assert send(webhooks, "gitlab", GITLAB, replaced(headers, webhook_signature=swapped)).status_code == 401
