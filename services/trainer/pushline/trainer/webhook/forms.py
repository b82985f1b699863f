"""What each sender's webhook looks like: its signature header, its events, and where it says which branch moved to what.

A form turns data from a stranger into a Hint or an Ignored, or refuses it as Malformed. It is called after the signature fits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.webhook.repositories import models_of
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


class Form(Protocol):
    @property
    def signature_header(self) -> str: ...

    @property
    def answer_seconds(self) -> float:
        """How long the sender waits."""
        ...

    def read(self, headers: Mapping[str, Sequence[str]], body: bytes, allowed: frozenset[str], /) -> Hint | Ignored:
        """Raises Malformed, NotAllowed, WrongContentType. Header names are in small letters."""
        ...


@dataclass(frozen=True, slots=True)
class GitHubForm:
    """GitHub's, and that of Gitea and Forgejo where they send GitHub's headers."""

    models: tuple[ModelConfig, ...]
    signature_header: str = "x-hub-signature-256"
    answer_seconds: float = 9.5

    def read(self, headers: Mapping[str, Sequence[str]], body: bytes, allowed: frozenset[str], /) -> Hint | Ignored:
        event = _only(headers, "x-github-event")
        data = parse_object(_github_json(_only(headers, "content-type"), body))
        if event == "ping":
            return Ignored("ping", f"This webhook speaks for {', '.join(sorted(allowed))}.")
        if event != "push":
            return Ignored("other_event", "Only pushes count.")
        return self._push(data, allowed)

    def _push(self, data: dict[str, Any], allowed: frozenset[str]) -> Hint | Ignored:
        ref, sha = text(data, "ref"), _sha(text(data, "after"), "after")
        found = models_of(self.models, *_repository(data))
        if not found:
            return Ignored("unknown_repository", "No model of the operator's file has this repository.")
        mine = [model for model in found if model.name in allowed]
        if not mine:
            raise NotAllowed
        gone = type(data.get("deleted", False)) is bool and data.get("deleted", False)
        return _branch([model for model in mine if model.ref == ref], ref, sha, gone=gone)


@dataclass(frozen=True, slots=True)
class PushlineForm:
    """`pushline emit`: {"model": …, "sha": …, "ref": …}. A replay is harmless: it is a hint, and the head decides."""

    models: tuple[ModelConfig, ...]
    signature_header: str = "x-pushline-signature"
    answer_seconds: float = 25.0

    def read(self, headers: Mapping[str, Sequence[str]], body: bytes, allowed: frozenset[str], /) -> Hint | Ignored:
        if _media_type(_only(headers, "content-type")) != "application/json":
            raise WrongContentType
        data = parse_object(body)
        name, ref, sha = text(data, "model"), text(data, "ref"), _sha(text(data, "sha"), "sha")
        found = [model for model in self.models if model.name == name]
        if not found:
            return Ignored("unknown_model", "The operator's file has no model of this name.")
        if name not in allowed:
            raise NotAllowed
        return _branch([model for model in found if model.ref == ref], ref, sha, gone=False)


def _branch(models: Sequence[ModelConfig], ref: str, sha: str, *, gone: bool) -> Hint | Ignored:
    if ref.startswith("refs/tags/"):
        return Ignored("tag", "Only branches count; this is a tag.")
    if gone or not sha.strip("0"):
        return Ignored("deleted", "The branch was deleted.")
    if not models:
        return Ignored("other_branch", "The operator's file names another branch.")
    return Hint(models[0].name, sha)


def _repository(data: dict[str, Any]) -> tuple[list[str], str]:
    repository = data.get("repository")
    if not isinstance(repository, dict):
        raise Malformed("repository is missing or no object")
    for name in (*_ADDRESSES, "full_name"):
        if name in repository and type(repository[name]) is not str:
            raise Malformed(f"repository.{name} is no text")
    addresses = [repository[name] for name in _ADDRESSES if repository.get(name)]
    full_name = repository.get("full_name", "")
    if not addresses and not full_name:
        raise Malformed("repository has neither an address nor a full_name")
    return addresses, full_name


def _sha(value: str, name: str) -> str:
    if not _SHA.fullmatch(value):
        raise Malformed(f"{name} is no full commit id")
    return value


def _only(headers: Mapping[str, Sequence[str]], name: str) -> str:
    values = headers.get(name, ())
    if len(values) != 1:
        raise Malformed(f"header {name} is missing or stands twice")
    return values[0]


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().casefold()


def _github_json(content_type: str, body: bytes) -> bytes:
    """Give the JSON: the body, or the field `payload` where the webhook was set to send a form."""
    kind = _media_type(content_type)
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
