"""Every wrong way to sign what GitLab, Gitea, Forgejo and Bitbucket send is 401 with nothing taken."""

import hashlib
import hmac
from collections.abc import Callable

import pytest

from tests.fixtures.trainer_intake.forge import SECRET, a_model
from tests.fixtures.trainer_intake.forges import (
    CLOUD,
    DATA_CENTER,
    FORGES,
    IDS,
    Sign,
    listening,
    replaced,
    send,
)
from tests.fixtures.trainer_intake.webhooks import (
    SIGNING_TOKEN,
    Headers,
    Webhooks,
    bitbucket_headers,
    digest,
    gitea_headers,
    gitlab_headers,
    gitlab_token_headers,
    payload,
)


@pytest.fixture
def webhooks() -> Webhooks:
    return listening()


GITLAB, GITEA, BITBUCKET = payload("gitlab-push"), payload("gitea-push"), payload("bitbucket-push")
ID = b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f"


def signature_of(headers: Headers) -> bytes:
    return dict(headers)[b"webhook-signature"]


def wrong_gitlab() -> dict[str, Headers]:
    """Made when they are sent: each is to be wrong in one thing alone, so not too old as well."""
    return {
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


@pytest.mark.parametrize("what", wrong_gitlab(), ids=lambda what: what.replace(" ", "_"))
def test_gitlab_wrongly_signed_is_401(webhooks: Webhooks, what: str) -> None:
    assert send(webhooks, "gitlab", GITLAB, wrong_gitlab()[what]).status_code == 401
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
