"""Every way to sign wrongly is 401 with nothing parsed and nothing taken; every right one gets through."""

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest

from tests.fixtures.trainer_intake.forge import SECRET, A, a_model
from tests.fixtures.trainer_intake.webhooks import (
    EMIT_SECRET,
    Webhooks,
    a_github_push,
    digest,
    github_headers,
    pushline_headers,
    to_bytes,
    without,
)

BODY = to_bytes(a_github_push())
GOOD = digest(BODY)
NAME = b"x-hub-signature-256"
SHA1 = hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()
FULL_WIDTH = "sha256=" + GOOD.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"})

WRONG_VALUES: dict[str, bytes] = {
    "empty": b"",
    "a space": b" ",
    "no digest, as Gitea sends without a secret": b"sha256=",
    "only the digest": GOOD.encode(),
    "upper-case digest": b"sha256=" + GOOD.upper().encode(),
    "mixed-case digest": b"sha256=" + GOOD.title().encode(),
    "upper-case scheme": b"SHA256=" + GOOD.encode(),
    "scheme with a hyphen": b"sha-256=" + GOOD.encode(),
    "SHA-1 digest": b"sha1=" + SHA1.encode(),
    "SHA-1 digest as SHA-256": b"sha256=" + SHA1.encode(),
    "SHA-512 digest": b"sha256=" + hmac.new(SECRET, BODY, hashlib.sha512).hexdigest().encode(),
    "plain hash without a key": b"sha256=" + hashlib.sha256(BODY).hexdigest().encode(),
    "hash of key and body": b"sha256=" + hashlib.sha256(SECRET + BODY).hexdigest().encode(),
    "empty key": b"sha256=" + digest(BODY, b"").encode(),
    "another key": b"sha256=" + digest(BODY, b"another-secret-of-nobody").encode(),
    "the key with a newline": b"sha256=" + digest(BODY, SECRET + b"\n").encode(),
    "another body": b"sha256=" + digest(BODY + b" ").encode(),
    "one digit short": b"sha256=" + GOOD[:-1].encode(),
    "one digit long": b"sha256=" + GOOD.encode() + b"0",
    "first digit wrong": b"sha256=" + (f"{(int(GOOD[0], 16) + 1) % 16:x}" + GOOD[1:]).encode(),
    "last digit wrong": b"sha256=" + (GOOD[:-1] + f"{(int(GOOD[-1], 16) + 1) % 16:x}").encode(),
    "zeros": b"sha256=" + b"0" * 64,
    "letters that are no digits": b"sha256=" + b"g" * 64,
    "reversed": b"sha256=" + GOOD[::-1].encode(),
    "base64": b"sha256=" + b"A" * 43 + b"=",
    "quoted": b'"sha256=' + GOOD.encode() + b'"',
    "twice in one header": b"sha256=" + GOOD.encode() + b", sha256=" + GOOD.encode(),
    "joined by a semicolon": b"sha256=" + GOOD.encode() + b";",
    "a space inside": b"sha256= " + GOOD.encode(),
    "a tab inside": b"sha256=\t" + GOOD.encode(),
    "a prefix in front": b"v1,sha256=" + GOOD.encode(),
    "0x in front": b"sha256=0x" + GOOD.encode(),
    "Latin-1 letters": b"sha256=\xe4\xf6\xfc" + GOOD[3:].encode(),
    "UTF-8 letters": "sha256=Ω".encode() + GOOD[2:].encode(),
    "full-width digits": FULL_WIDTH.encode(),
    "high bytes": b"sha256=" + b"\xff" * 64,
    "very long": b"sha256=" + b"a" * 4000,
    "percent-encoded": b"sha256%3D" + GOOD.encode(),
    "a list": b"[sha256=" + GOOD.encode() + b"]",
    "null": b"null",
    "the secret itself": b"sha256=" + SECRET,
}


@pytest.fixture
def webhooks() -> Webhooks:
    return Webhooks([a_model(), a_model("diabetes", webhook_secrets=(b"the-secret-of-the-model-diabetes",))])


def test_the_right_signature_gets_through(webhooks: Webhooks) -> None:
    assert webhooks.github(BODY).status_code == 202
    assert [(hint.model, hint.sha) for hint in webhooks.hints] == [("digits", A)]


@pytest.mark.parametrize("value", WRONG_VALUES.values(), ids=[name.replace(" ", "_") for name in WRONG_VALUES])
def test_a_wrong_signature_is_401_and_nothing_is_taken(webhooks: Webhooks, value: bytes) -> None:
    answer = webhooks.github(BODY, [*without(github_headers(BODY), NAME), (NAME, value)])

    assert answer.status_code == 401
    assert answer.json() == {"status": "refused", "error": "the signature is missing or wrong"}
    assert webhooks.hints == []


@pytest.mark.parametrize(
    "headers",
    [
        without(github_headers(BODY), NAME),
        [*without(github_headers(BODY), NAME), (b"x-hub-signature", b"sha1=" + SHA1.encode())],
        [*github_headers(BODY), (NAME, b"sha256=" + GOOD.encode())],
        [*github_headers(BODY), (NAME, b"sha256=" + b"0" * 64)],
        [(NAME, b"sha256=" + b"0" * 64), *github_headers(BODY)],
        [*without(github_headers(BODY), NAME), (b"x-pushline-signature", b"sha256=" + GOOD.encode())],
    ],
    ids=["missing", "only_the_SHA-1_header", "twice_the_same", "right_and_wrong", "wrong_and_right", "under_another_name"],
)
def test_a_missing_or_doubled_signature_is_401(webhooks: Webhooks, headers: list[tuple[bytes, bytes]]) -> None:
    assert webhooks.github(BODY, headers).status_code == 401
    assert webhooks.hints == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"ref": NaN}'])
def test_the_signature_comes_before_parsing(webhooks: Webhooks, body: bytes) -> None:
    headers = github_headers(b"something else")

    assert webhooks.github(body, headers).status_code == 401


def test_the_signature_covers_the_raw_bytes(webhooks: Webhooks) -> None:
    spaced = BODY.replace(b": ", b" :  ")

    assert webhooks.github(spaced, github_headers(BODY)).status_code == 401
    assert webhooks.github(spaced).status_code == 202


def test_both_secrets_count_during_rotation() -> None:
    old, new = b"the-old-secret-of-digits", b"the-new-secret-of-digits"
    webhooks = Webhooks([a_model(webhook_secrets=(new, old))])

    assert webhooks.github(BODY, github_headers(BODY, secret=old)).status_code == 202
    assert webhooks.github(BODY, github_headers(BODY, secret=new)).status_code == 202
    assert webhooks.github(BODY, github_headers(BODY, secret=b"the-oldest-secret-of-digits")).status_code == 401


def test_the_secret_of_one_model_does_not_speak_for_another(webhooks: Webhooks) -> None:
    headers = github_headers(BODY, secret=b"the-secret-of-the-model-diabetes")

    assert webhooks.github(BODY, headers).status_code == 401
    assert webhooks.hints == []


def test_one_secret_may_be_that_of_several_models() -> None:
    webhooks = Webhooks([a_model("diabetes"), a_model()])

    assert webhooks.github(BODY).status_code == 202
    assert webhooks.hints[0].model == "digits"


@pytest.mark.parametrize(
    "sign", [digest, lambda body: digest(body, b""), lambda _: ""], ids=["a_secret", "the_empty_secret", "nothing"]
)
def test_a_model_without_a_secret_takes_no_webhook(sign: Callable[[bytes], str]) -> None:
    webhooks = Webhooks([a_model(webhook_secrets=())])
    headers = [*without(github_headers(BODY), NAME), (NAME, b"sha256=" + sign(BODY).encode())]

    assert webhooks.github(BODY, headers).status_code == 401


def test_a_form_body_is_signed_as_it_was_sent(webhooks: Webhooks) -> None:
    body = b"payload=" + quote_plus(BODY.decode()).encode()
    headers = [*without(github_headers(body), b"content-type"), (b"content-type", b"application/x-www-form-urlencoded")]

    assert webhooks.github(body, headers).status_code == 202
    assert webhooks.github(body, [*without(headers, NAME), (NAME, b"sha256=" + GOOD.encode())]).status_code == 401


HINT = to_bytes({"model": "digits", "sha": A, "ref": "refs/heads/main"})


def test_emit_signs_with_the_models_secret_or_its_own(webhooks: Webhooks) -> None:
    assert webhooks.pushline(HINT).status_code == 202
    assert webhooks.pushline(HINT, pushline_headers(HINT, EMIT_SECRET)).status_code == 202


def test_the_secret_of_emit_is_none_of_github(webhooks: Webhooks) -> None:
    assert webhooks.github(BODY, github_headers(BODY, secret=EMIT_SECRET)).status_code == 401


def test_emit_with_another_models_secret_is_401(webhooks: Webhooks) -> None:
    headers = pushline_headers(HINT, b"the-secret-of-the-model-diabetes")

    assert webhooks.pushline(HINT, headers).status_code == 401


@pytest.mark.parametrize("value", WRONG_VALUES.values(), ids=[name.replace(" ", "_") for name in WRONG_VALUES])
def test_emit_with_a_wrong_signature_is_401(webhooks: Webhooks, value: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-pushline-signature", value)]

    assert webhooks.pushline(HINT, headers).status_code == 401
    assert webhooks.hints == []
