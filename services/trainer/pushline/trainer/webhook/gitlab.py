"""GitLab's webhook, of a project, a group or the whole instance."""

from dataclasses import dataclass
from typing import Any

from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.webhook import signature
from pushline.trainer.webhook.forms import (
    Moved,
    Read,
    addresses_of,
    full_sha,
    hints,
    known_models,
    only,
    other_event,
    part,
    plain_json,
)
from pushline.trainer.webhook.signature import Headers, Keyring
from pushline.trainer.webhook.strict_json import Malformed, parse_object, text

_ADDRESSES = ("git_http_url", "git_ssh_url", "http_url", "ssh_url", "web_url", "url")
_KINDS = {"Push Hook": "push", "Tag Push Hook": "tag_push"}


@dataclass(frozen=True, slots=True)
class GitLabForm:
    models: tuple[ModelConfig, ...]
    answer_seconds: float = 9.5

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        return signature.gitlab(headers, body, keyring)

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        event = only(headers, "x-gitlab-event")
        data = parse_object(plain_json(headers, body))
        if event not in _KINDS and event != "System Hook":
            return other_event()
        kind = data.get("object_kind")
        if event in _KINDS and kind != _KINDS[event]:
            raise Malformed(f"object_kind is not {_KINDS[event]}")
        return self._push(data, allowed) if kind in _KINDS.values() else other_event()

    def _push(self, data: dict[str, Any], allowed: frozenset[str]) -> Read:
        moved = Moved(text(data, "ref"), full_sha(text(data, "after"), "after"))
        where = addresses_of(part(data, "project"), "project", _ADDRESSES, "path_with_namespace")
        return hints(known_models(self.models, *where, allowed), [moved])
