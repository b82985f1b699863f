"""GitLab, Gitea, Forgejo and Bitbucket: what each documents that it sends, and every wrong way to sign it."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushline.trainer.webhook.forms import Hint
from tests.fixtures.trainer_intake.forge import SECRET, A, C, a_model
from tests.fixtures.trainer_intake.webhooks import (
    SIGNING_TOKEN,
    Headers,
    Webhooks,
    bitbucket_headers,
    digest,
    gitea_headers,
    github_headers,
    gitlab_headers,
    gitlab_token_headers,
    payload,
    standard_signature,
    to_bytes,
    without,
)

CLOUD = "https://bitbucket.org/team/digits.git"
DATA_CENTER = "https://git.example.com/scm/team/digits.git"
Sign = Callable[[bytes], Headers]


def of_forgejo(body: bytes) -> Headers:
    return gitea_headers(body, forge="forgejo")


def of_data_center(body: bytes) -> Headers:
    return bitbucket_headers(body, "repo:refs_changed")


def with_a_token(_: bytes) -> Headers:
    return gitlab_token_headers()


FORGES: dict[str, tuple[str, str, Sign]] = {
    "github": ("github", "github-push", github_headers),
    "gitlab": ("gitlab", "gitlab-push", gitlab_headers),
    "gitlab, plain token": ("gitlab", "gitlab-push", with_a_token),
    "gitea": ("gitea", "gitea-push", gitea_headers),
    "forgejo": ("gitea", "forgejo-push", of_forgejo),
    "gitea at GitHub's door": ("github", "gitea-push", gitea_headers),
    "bitbucket": ("bitbucket", "bitbucket-push", bitbucket_headers),
    "bitbucket, many changes": ("bitbucket", "bitbucket-push-many", bitbucket_headers),
    "data center": ("bitbucket", "bitbucket-dc-push", of_data_center),
    "data center, many changes": ("bitbucket", "bitbucket-dc-push-many", of_data_center),
}
IDS = [name.replace(" ", "_") for name in FORGES]


def listening(name: str = "digits", **changes: object) -> Webhooks:
    repository = CLOUD if name == "bitbucket" else a_model().repository
    values: dict[str, Any] = {"webhook_secrets": (SECRET, SIGNING_TOKEN), "repository": repository}
    return Webhooks([a_model(**values | changes)])


@pytest.fixture
def webhooks() -> Webhooks:
    return listening()


def send(webhooks: Webhooks, door: str, body: bytes, headers: Headers) -> httpx.Response:
    return webhooks.post(f"/webhooks/{door}", body, headers)


@pytest.mark.parametrize(("door", "name", "sign"), FORGES.values(), ids=IDS)
def test_a_push_as_the_forge_documents_it_is_a_hint(door: str, name: str, sign: Sign) -> None:
    repository = DATA_CENTER if "-dc-" in name else CLOUD if "bitbucket" in name else a_model().repository
    webhooks, body = listening(repository=repository), payload(name)

    assert send(webhooks, door, body, sign(body)).status_code == 202
    assert webhooks.hints == [Hint("digits", A)]


@pytest.mark.parametrize(("door", "name", "sign"), FORGES.values(), ids=IDS)
def test_a_push_to_an_unknown_repository_is_ignored(door: str, name: str, sign: Sign) -> None:
    webhooks, body = listening(repository="https://git.example.com/other/thing.git"), payload(name)

    assert send(webhooks, door, body, sign(body)).json()["reason"] == "unknown_repository"
    assert webhooks.hints == []


@pytest.mark.parametrize(
    ("door", "name", "headers", "reason"),
    [
        ("github", "github-ping", lambda body: github_headers(body, "ping"), "ping"),
        ("github", "github-push-tag", github_headers, "tag"),
        ("github", "github-push-deleted", github_headers, "deleted"),
        ("gitlab", "gitlab-push-deleted", gitlab_headers, "deleted"),
        ("gitlab", "gitlab-tag", lambda body: gitlab_headers(body, "Tag Push Hook"), "tag"),
        ("gitlab", "gitlab-tag", lambda body: gitlab_headers(body, "System Hook"), "tag"),
        ("gitlab", "gitlab-merge-request", lambda body: gitlab_headers(body, "Merge Request Hook"), "other_event"),
        ("gitlab", "gitlab-merge-request", lambda body: gitlab_headers(body, "System Hook"), "other_event"),
        ("gitea", "gitea-push-tag", gitea_headers, "tag"),
        ("gitea", "gitea-delete", lambda body: gitea_headers(body, "delete"), "other_event"),
        ("bitbucket", "bitbucket-push-deleted", bitbucket_headers, "deleted"),
        ("bitbucket", "bitbucket-push-tag", bitbucket_headers, "tag"),
        ("bitbucket", "bitbucket-push", lambda body: bitbucket_headers(body, "repo:commit_status_created"), "other_event"),
        ("bitbucket", "bitbucket-dc-push-deleted", of_data_center, "deleted"),
        ("bitbucket", "bitbucket-dc-ping", lambda body: bitbucket_headers(body, "diagnostics:ping"), "ping"),
    ],
    ids=range(15),
)
def test_what_is_no_push_to_the_branch_is_ignored_with_the_reason(door: str, name: str, headers: Sign, reason: str) -> None:
    webhooks, body = listening(repository=CLOUD if "bitbucket-push" in name else a_model().repository), payload(name)

    answer = send(webhooks, door, body, headers(body))

    assert (answer.status_code, answer.json().get("reason")) == (200, reason)
    assert webhooks.hints == []


def test_a_system_hook_of_gitlab_tells_of_pushes_too(webhooks: Webhooks) -> None:
    body = payload("gitlab-push")

    assert send(webhooks, "gitlab", body, gitlab_headers(body, "System Hook")).status_code == 202


def test_one_push_may_move_the_branches_of_two_models() -> None:
    values = {"repository": CLOUD}
    webhooks, body = Webhooks([a_model(**values), a_model("topic", branch="topic", **values)]), payload("bitbucket-push-many")

    assert send(webhooks, "bitbucket", body, bitbucket_headers(body)).status_code == 202
    assert webhooks.hints == [Hint("topic", C), Hint("digits", A)]


def test_a_branch_that_is_none_of_the_many_is_another_branch() -> None:
    webhooks, body = listening(repository=CLOUD, branch="release"), payload("bitbucket-push-many")

    assert send(webhooks, "bitbucket", body, bitbucket_headers(body)).json()["reason"] == "other_branch"


def test_a_form_of_gitea_is_signed_as_it_was_sent(webhooks: Webhooks) -> None:
    body = b"payload=" + quote_plus(payload("gitea-push").decode()).encode()
    headers = [*without(gitea_headers(body), b"content-type"), (b"content-type", b"application/x-www-form-urlencoded")]

    assert send(webhooks, "gitea", body, headers).status_code == 202


# --- signatures ---

GITLAB, GITEA, BITBUCKET = payload("gitlab-push"), payload("gitea-push"), payload("bitbucket-push")
ID = b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f"


def replaced(headers: Headers, **values: bytes | None) -> Headers:
    """Put other values in, or take a header out; an underscore stands for a hyphen."""
    names = {name.replace("_", "-").encode(): value for name, value in values.items()}
    kept = [(name, value) for name, value in headers if name not in names]
    return [*kept, *((name, value) for name, value in names.items() if value is not None)]


def signature_of(headers: Headers) -> bytes:
    return dict(headers)[b"webhook-signature"]


WRONG_GITLAB: dict[str, Headers] = {
    "no signature and no token": replaced(gitlab_headers(GITLAB), webhook_signature=None),
    "too old": gitlab_headers(GITLAB, late=400),
    "too new": gitlab_headers(GITLAB, late=-400),
    "another token": gitlab_headers(GITLAB, token=b"whsec_" + b"A" * 44),
    "another body": gitlab_headers(GITLAB + b" "),
    "another id": replaced(gitlab_headers(GITLAB), webhook_id=b"other"),
    "another time": replaced(gitlab_headers(GITLAB), webhook_timestamp=b"1700000000"),
    "a time that is no number": replaced(gitlab_headers(GITLAB), webhook_timestamp=b"soon"),
    "a time with a fraction": replaced(gitlab_headers(GITLAB), webhook_timestamp=b"1.5e9"),
    "a time without end": replaced(gitlab_headers(GITLAB), webhook_timestamp=b"9" * 12),
    "infinity": replaced(gitlab_headers(GITLAB), webhook_timestamp=b"inf"),
    "no id": replaced(gitlab_headers(GITLAB), webhook_id=None),
    "no time": replaced(gitlab_headers(GITLAB), webhook_timestamp=None),
    "an empty signature": replaced(gitlab_headers(GITLAB), webhook_signature=b""),
    "no version": replaced(gitlab_headers(GITLAB), webhook_signature=signature_of(gitlab_headers(GITLAB))[3:]),
    "another version": replaced(gitlab_headers(GITLAB), webhook_signature=b"v1a," + signature_of(gitlab_headers(GITLAB))[3:]),
    "no base64": replaced(gitlab_headers(GITLAB), webhook_signature=b"v1,%%%"),
    "a comma too many": replaced(gitlab_headers(GITLAB), webhook_signature=signature_of(gitlab_headers(GITLAB)) + b",x"),
    "high bytes": replaced(gitlab_headers(GITLAB), webhook_signature=b"v1,\xff\xfe"),
    "high bytes in the id": replaced(gitlab_headers(GITLAB), webhook_id=b"\xff"),
    "twice": [*gitlab_headers(GITLAB), (b"webhook-signature", signature_of(gitlab_headers(GITLAB)))],
    "a wrong signature beside the right token": [
        *replaced(gitlab_headers(GITLAB), webhook_signature=b"v1," + b"A" * 43 + b"="),
        (b"x-gitlab-token", SECRET),
    ],
    "a wrong token": gitlab_token_headers(token=b"another-secret-of-nobody"),
    "an empty token": gitlab_token_headers(token=b""),
    "a token in high bytes": gitlab_token_headers(token=b"\xff" * 20),
    "the token in capitals": gitlab_token_headers(token=SECRET.upper()),
    "part of the token": gitlab_token_headers(token=SECRET[:-1]),
    "the token twice": [*gitlab_token_headers(), (b"x-gitlab-token", SECRET)],
    "a signing token in clear": gitlab_token_headers(token=SIGNING_TOKEN),
}


@pytest.mark.parametrize("headers", WRONG_GITLAB.values(), ids=[name.replace(" ", "_") for name in WRONG_GITLAB])
def test_gitlab_wrongly_signed_is_401(webhooks: Webhooks, headers: Headers) -> None:
    assert send(webhooks, "gitlab", GITLAB, headers).status_code == 401
    assert webhooks.hints == []


def test_one_of_several_signatures_of_a_rotation_is_enough(webhooks: Webhooks) -> None:
    headers = gitlab_headers(GITLAB)
    both = b"v1," + b"A" * 43 + b"= v2,x " + signature_of(headers)

    assert send(webhooks, "gitlab", GITLAB, replaced(headers, webhook_signature=both)).status_code == 202


def test_a_body_that_is_no_text_is_401_before_it_is_400(webhooks: Webhooks) -> None:
    body = b"\xff\xfe{}"

    assert send(webhooks, "gitlab", body, gitlab_headers(body)).status_code == 401


def test_a_plain_secret_signs_nothing_in_the_way_of_a_signing_token() -> None:
    webhooks = listening(webhook_secrets=(SECRET,))

    assert send(webhooks, "gitlab", GITLAB, gitlab_headers(GITLAB)).status_code == 401


GOOD = digest(GITEA).encode()
WRONG_GITEA: dict[str, Headers] = {
    "none": [(name, value) for name, value in gitea_headers(GITEA) if b"signature" not in name],
    "empty, as Gitea sends without a secret": [
        *[(name, value) for name, value in gitea_headers(GITEA) if b"signature" not in name],
        (b"x-gitea-signature", b""),
        (b"x-hub-signature-256", b"sha256="),
        (b"x-hub-signature", b"sha1="),
    ],
    "only Gogs's": [
        *[(name, value) for name, value in gitea_headers(GITEA) if b"signature" not in name],
        (b"x-gogs-signature", GOOD),
    ],
    "only SHA-1": [
        *[(name, value) for name, value in gitea_headers(GITEA) if b"signature" not in name],
        (b"x-hub-signature", b"sha1=" + hmac.new(SECRET, GITEA, hashlib.sha1).hexdigest().encode()),
    ],
    "another secret": gitea_headers(GITEA, secret=b"another-secret-of-nobody"),
    "one right and one wrong": replaced(gitea_headers(GITEA), x_gitea_signature=b"0" * 64),
    "one right and one empty": replaced(gitea_headers(GITEA), x_gitea_signature=b""),
    "capitals": replaced(gitea_headers(GITEA), x_gitea_signature=GOOD.upper(), x_hub_signature_256=None),
    "GitHub's form in Gitea's header": replaced(
        gitea_headers(GITEA), x_gitea_signature=b"sha256=" + GOOD, x_hub_signature_256=None
    ),
    "high bytes": replaced(gitea_headers(GITEA), x_gitea_signature=b"\xff" * 64, x_hub_signature_256=None),
    "twice": [*gitea_headers(GITEA), (b"x-gitea-signature", GOOD)],
}


@pytest.mark.parametrize("headers", WRONG_GITEA.values(), ids=[name.replace(" ", "_") for name in WRONG_GITEA])
def test_gitea_wrongly_signed_is_401(webhooks: Webhooks, headers: Headers) -> None:
    assert send(webhooks, "gitea", GITEA, headers).status_code == 401
    assert webhooks.hints == []


@pytest.mark.parametrize("name", ["x-gitea-signature", "x-forgejo-signature"])
def test_giteas_own_header_is_enough(webhooks: Webhooks, name: str) -> None:
    bare = [(key, value) for key, value in gitea_headers(GITEA) if b"signature" not in key]

    assert send(webhooks, "gitea", GITEA, [*bare, (name.encode(), GOOD)]).status_code == 202


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"sha256=",
        b"sha1=" + hmac.new(SECRET, BITBUCKET, hashlib.sha1).hexdigest().encode(),
        b"sha256=" + digest(BITBUCKET).upper().encode(),
        digest(BITBUCKET).encode(),
        b"sha256=" + digest(BITBUCKET, b"another-secret-of-nobody").encode(),
        b"sha256=" + b"\xff" * 64,
        None,
    ],
)
def test_bitbucket_wrongly_signed_is_401(value: bytes | None) -> None:
    webhooks = listening(repository=CLOUD)

    assert send(webhooks, "bitbucket", BITBUCKET, replaced(bitbucket_headers(BITBUCKET), x_hub_signature=value)).status_code == 401
    assert webhooks.hints == []


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("door", "body", "sign"), [("gitea", GITEA, gitea_headers), ("bitbucket", BITBUCKET, bitbucket_headers)])
def test_both_secrets_count_during_rotation(door: str, body: bytes, sign: Callable[..., Headers], *, old: bool) -> None:
    secrets = (b"the-old-secret-of-digits", b"the-new-secret-of-digits")
    webhooks = listening(door, webhook_secrets=secrets)

    assert send(webhooks, door, body, sign(body, secret=secrets[0 if old else 1])).status_code == 202


@pytest.mark.parametrize(("door", "name", "sign"), FORGES.values(), ids=IDS)
def test_the_secret_of_another_model_is_401(door: str, name: str, sign: Sign) -> None:
    other = a_model("other", webhook_secrets=(SECRET, SIGNING_TOKEN), repository="https://git.example.com/other/thing.git")
    repository = DATA_CENTER if "-dc-" in name else CLOUD if "bitbucket" in name else a_model().repository
    webhooks, body = (
        Webhooks([a_model(repository=repository, webhook_secrets=(b"the-real-secret-of-digits",)), other]),
        payload(name),
    )

    assert send(webhooks, door, body, sign(body)).status_code == 401
    assert webhooks.hints == []


# --- what is malformed ---


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


# --- whatever else ---

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
