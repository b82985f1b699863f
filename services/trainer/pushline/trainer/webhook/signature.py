"""Who signed? By HMAC-SHA256 over the raw body, or by a token; compared in constant time, before anything of the body is parsed."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from standardwebhooks import Webhook, WebhookVerificationError

from pushline.runtime.operator_file import SIGNING_TOKEN, ModelConfig

Headers = Mapping[str, Sequence[str]]  # names in small letters, values as they came
GITEA_DIGESTS = ("x-forgejo-signature", "x-gitea-signature")  # bare; beside them comes GitHub's, of the same digest
_HUB = re.compile(rb"sha256=([0-9a-f]{64})")
_BARE = re.compile(rb"([0-9a-f]{64})")
_STANDARD = re.compile(r"v1,[A-Za-z0-9+/]{43}=", re.ASCII)
_STANDARD_ID = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_SIGNATURES = 8
_NOBODYS_SECRET = b"verified where no secret is known, so that this takes as long as with one"


@dataclass(slots=True)
class Keyring:
    """Secrets, each with the models that it may speak for. Thread-safe: they are turned to others as a whole."""

    keys: tuple[tuple[bytes, frozenset[str]], ...] = field(repr=False)

    @classmethod
    def of(cls, models: Iterable[ModelConfig], emit_secret: bytes = b"") -> "Keyring":
        """`emit_secret`, where there is one, speaks for every model."""
        known = tuple(models)
        keys = [(secret, frozenset({model.name})) for model in known for secret in model.webhook_secrets]
        if emit_secret:
            keys.append((emit_secret, frozenset(model.name for model in known)))
        return cls(tuple(keys))

    def turn(self, newer: "Keyring") -> None:
        self.keys = newer.keys

    def models_of(self, fits: Callable[[bytes], bool]) -> frozenset[str]:
        """Give the models of the secrets that fit; none where the signature is wrong. Tries every secret, always."""
        allowed: set[str] = set()
        for secret, models in self.keys or ((_NOBODYS_SECRET, frozenset[str]()),):
            if fits(secret):
                allowed |= models
        return frozenset(allowed)


def hub(header: str, headers: Headers, body: bytes, keyring: Keyring) -> frozenset[str]:
    """GitHub's way: exactly one such header, of "sha256=" and 64 small hexadecimal digits."""
    return _signed(_digest(_HUB, headers.get(header, ())), body, keyring)


def gitea(headers: Headers, body: bytes, keyring: Keyring) -> frozenset[str]:
    """Of the headers that Gitea and Forgejo sign with, those that came have to be right, all of them."""
    ways = [(_BARE, name) for name in GITEA_DIGESTS] + [(_HUB, "x-hub-signature-256")]
    digests = [_digest(form, headers[name]) for form, name in ways if name in headers]
    if len(set(digests)) != 1:
        return _signed(b"", body, keyring)
    return _signed(digests[0], body, keyring)


def gitlab(headers: Headers, body: bytes, keyring: Keyring) -> frozenset[str]:
    """By a signing token where a signature came, else by the plain token; never by the plain one where a signature is wrong."""
    if "webhook-signature" in headers:
        return keyring.models_of(lambda secret: _follows_standard(secret, headers, body))
    given = headers.get("x-gitlab-token", ())
    token = given[0].encode("latin-1", "replace") if len(given) == 1 else b""

    def fits(secret: bytes) -> bool:
        same = hmac.compare_digest(hashlib.sha256(secret).digest(), hashlib.sha256(token).digest())
        return same and not secret.startswith(SIGNING_TOKEN)

    return keyring.models_of(fits)


def _digest(form: re.Pattern[bytes], values: Sequence[str]) -> bytes:
    """Give the hexadecimal digits; nothing where the header is missing, stands twice or is of another form."""
    given = form.fullmatch(values[0].encode("latin-1", "replace")) if len(values) == 1 else None
    return given[1] if given else b""


def _signed(digest: bytes, body: bytes, keyring: Keyring) -> frozenset[str]:
    return keyring.models_of(
        lambda secret: hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), digest)
    )


def _follows_standard(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Standard Webhooks, with a timestamp at most five minutes off."""
    found = [headers.get(name, ()) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
    if not secret.startswith(SIGNING_TOKEN) or any(len(values) != 1 for values in found):
        return False
    message_id, seconds, signatures = (values[0] for values in found)
    known = [each for each in signatures.split(" ")[:_MOST_SIGNATURES] if _STANDARD.fullmatch(each)]
    if not (known and _STANDARD_ID.fullmatch(message_id) and _SECONDS.fullmatch(seconds)):
        return False
    plain = {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(known)}
    try:
        Webhook(secret.decode("ascii")).verify(body.decode("utf-8"), plain, json_parse=False)
    except (WebhookVerificationError, UnicodeDecodeError):
        return False
    return True
