"""What a webhook may say, and the forms of GitHub and of `pushline emit`; the other forges' stand in modules of their own.

A form turns data from a stranger into hints or an Ignored, or refuses it as Malformed. It is called after the signature fits.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.webhook import signature
from pushline.trainer.webhook.repositories import models_of
from pushline.trainer.webhook.signature import Headers, Keyring
from pushline.trainer.webhook.strict_json import Malformed, parse_object, text

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_ADDRESSES = ("clone_url", "ssh_url", "git_url", "html_url", "url")


class NotAllowed(Exception):
    """The secret that signed this belongs to other models."""


class WrongContentType(Exception):
    """Neither of the content types that this webhook sends."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A branch of a model may have moved to this commit. Only a look knows."""

    model: str
    sha: str


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What a sender says of one ref. `sha` is empty or zeros where the ref is gone."""

    ref: str
    sha: str


Read = tuple[Hint, ...] | Ignored


class Form(Protocol):
    @property
    def answer_seconds(self) -> float:
        """How long the sender waits."""
        ...

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        """Give the models that the sender may speak for; none where the signature is missing or wrong."""
        ...

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        """Raises Malformed, NotAllowed, WrongContentType."""
        ...


@dataclass(frozen=True, slots=True)
class GitHubForm:
    """GitHub's, and that of Gitea and Forgejo where they send GitHub's headers."""

    models: tuple[ModelConfig, ...]
    answer_seconds: float = 9.5

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        return signature.hub("x-hub-signature-256", headers, body, keyring)

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        event = only(headers, "x-github-event")
        data = parse_object(form_or_json(headers, body))
        if event == "ping":
            return ping(allowed)
        return github_push(self.models, data, allowed) if event == "push" else other_event()


@dataclass(frozen=True, slots=True)
class PushlineForm:
    """`pushline emit`: {"model": …, "sha": …, "ref": …}. A replay is harmless: it is a hint, and the head decides."""

    models: tuple[ModelConfig, ...]
    answer_seconds: float = 25.0

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        return signature.hub("x-pushline-signature", headers, body, keyring)

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        data = parse_object(plain_json(headers, body))
        name, moved = text(data, "model"), Moved(text(data, "ref"), full_sha(text(data, "sha"), "sha"))
        found = [model for model in self.models if model.name == name]
        if not found:
            return Ignored("unknown_model", "The operator's file has no model of this name.")
        if name not in allowed:
            raise NotAllowed
        return hints(found, [moved])


def github_push(models: Sequence[ModelConfig], data: dict[str, Any], allowed: frozenset[str]) -> Read:
    """GitHub, Gitea and Forgejo say a push in the same words."""
    ref, sha = text(data, "ref"), full_sha(text(data, "after"), "after")
    known = known_models(models, *_repository(data), allowed)
    gone = type(data.get("deleted", False)) is bool and data.get("deleted", False)
    return hints(known, [Moved(ref, "" if gone else sha)])


def known_models(
    models: Sequence[ModelConfig], addresses: Iterable[str], full_name: str, allowed: frozenset[str]
) -> list[ModelConfig] | None:
    """Give the models of a repository that the sender may speak for; None where no model has it. Raises NotAllowed."""
    found = models_of(models, addresses, full_name)
    mine = [model for model in found if model.name in allowed]
    if found and not mine:
        raise NotAllowed
    return mine or None


def hints(models: Sequence[ModelConfig] | None, moves: Sequence[Moved]) -> Read:
    """Give a hint for every model whose branch moved, else the reason why there is none."""
    if models is None:
        return Ignored("unknown_repository", "No model of the operator's file has this repository.")
    found = {
        model.name: Hint(model.name, move.sha) for move in moves for model in models if model.ref == move.ref and _is_there(move)
    }
    return tuple(found.values()) or _ignored(models, moves)


def _ignored(models: Sequence[ModelConfig], moves: Sequence[Moved]) -> Ignored:
    branches = [move for move in moves if not move.ref.startswith("refs/tags/")]
    if moves and not branches:
        return Ignored("tag", "Only branches count; this is a tag.")
    mine = [move for move in branches if move.ref in {model.ref for model in models}]
    if mine or (branches and not any(_is_there(move) for move in branches)):
        return Ignored("deleted", "The branch was deleted.")
    return Ignored("other_branch", "The operator's file names another branch.")


def _is_there(move: Moved) -> bool:
    return bool(move.sha.strip("0"))


def ping(allowed: frozenset[str]) -> Ignored:
    return Ignored("ping", f"This webhook speaks for {', '.join(sorted(allowed))}.")


def other_event() -> Ignored:
    return Ignored("other_event", "Only pushes count.")


def _repository(data: dict[str, Any]) -> tuple[list[str], str]:
    repository = part(data, "repository")
    return addresses_of(repository, "repository", _ADDRESSES, "full_name")


def addresses_of(table: dict[str, Any], where: str, names: Sequence[str], full_name: str) -> tuple[list[str], str]:
    """Give the addresses and the full name of a repository, one of which there must be."""
    for name in (*names, full_name):
        if name in table and type(table[name]) is not str:
            raise Malformed(f"{where}.{name} is no text")
    addresses = [table[name] for name in names if table.get(name)]
    whole = str(table.get(full_name, ""))
    if not addresses and not whole:
        raise Malformed(f"{where} has neither an address nor a {full_name}")
    return addresses, whole


def part(data: dict[str, Any], name: str, where: str = "") -> dict[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise Malformed(f"{where}{name} is missing or no object")
    return value


def full_sha(value: str, name: str) -> str:
    if not _SHA.fullmatch(value):
        raise Malformed(f"{name} is no full commit id")
    return value


def only(headers: Headers, name: str) -> str:
    values = headers.get(name, ())
    if len(values) != 1:
        raise Malformed(f"header {name} is missing or stands twice")
    return values[0]


def plain_json(headers: Headers, body: bytes) -> bytes:
    if _media_type(only(headers, "content-type")) != "application/json":
        raise WrongContentType
    return body


def form_or_json(headers: Headers, body: bytes) -> bytes:
    """Give the JSON: the body, or the field `payload` where the webhook was set to send a form."""
    kind = _media_type(only(headers, "content-type"))
    if kind == "application/json":
        return body
    if kind != "application/x-www-form-urlencoded":
        raise WrongContentType
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=16, errors="strict")
    except ValueError:
        raise Malformed("the body is no form") from None
    payload = fields.get("payload", [])
    if len(payload) != 1:
        raise Malformed("the form's field payload is missing or stands twice")
    return payload[0].encode("utf-8", "replace")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().casefold()
