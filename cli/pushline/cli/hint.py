"""A signed hint to the trainer that a branch may have moved; the trainer looks for itself what is there."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from pushline.cli.exits import Exit, Said

SIGNATURE = "X-Pushline-Signature"
PATH = "/webhooks/pushline"
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Hint:
    model: str
    sha: str
    ref: str

    def body(self) -> bytes:
        return json.dumps({"model": self.model, "ref": self.ref, "sha": self.sha}, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where hints go: the trainer's address without a path."""

    url: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    hint: Hint
    status: int
    told: dict[str, Any]


def sign(body: bytes, secret: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def send(webhook: Webhook, hint: Hint) -> Answer:
    """Raises Said on everything that is neither a run nor a plain `ignored`."""
    body = hint.body()
    headers = {SIGNATURE: sign(body, webhook.secret), "content-type": "application/json"}
    address = webhook.url.rstrip("/") + PATH
    try:
        response = httpx.post(address, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
    except httpx.ConnectError:
        raise Said(f"No trainer answers at {address}.", Exit.UNREACHABLE) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Said(
            f"The trainer at {address} gave no answer ({type(error).__name__}); sending it again is harmless.", Exit.UNKNOWN
        ) from None
    return _judge(address, hint, response)


def _judge(address: str, hint: Hint, response: httpx.Response) -> Answer:
    told = _json(response)
    if response.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED}:
        return Answer(hint, response.status_code, told)
    why = next((str(told[name]) for name in ("error", "detail", "reason", "sentence") if told.get(name)), response.reason_phrase)
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Said(f"The trainer cannot say now whether it took the hint ({why}); sending it again is harmless.", Exit.UNKNOWN)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise Said(
            f"The trainer at {address} refused the signature: the secret is not the one of its operator's file.", Exit.REFUSED
        )
    raise Said(f"The trainer at {address} answered {response.status_code}: {why}.", Exit.REFUSED)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
