"""The webhooks of Bitbucket Cloud and of Bitbucket Data Center. One delivery may tell of many branches and tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.webhook import signature
from pushline.trainer.webhook.forms import Moved, Read, full_sha, hints, known_models, only, other_event, part, ping, plain_json
from pushline.trainer.webhook.signature import Headers, Keyring
from pushline.trainer.webhook.strict_json import Malformed, parse_object, text

_FOLDERS = {"branch": "refs/heads/", "tag": "refs/tags/", "annotated_tag": "refs/tags/"}


@dataclass(frozen=True, slots=True)
class BitbucketForm:
    models: tuple[ModelConfig, ...]
    answer_seconds: float = 9.5

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        return signature.hub("x-hub-signature", headers, body, keyring)

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        event = only(headers, "x-event-key")
        data = parse_object(plain_json(headers, body))
        if event == "repo:push":
            return self._cloud(data, allowed)
        if event == "repo:refs_changed":
            return self._data_center(data, allowed)
        return ping(allowed) if event == "diagnostics:ping" else other_event()

    def _cloud(self, data: dict[str, Any], allowed: frozenset[str]) -> Read:
        changes = _objects(part(data, "push").get("changes"), "push.changes")
        moves = [_cloud_move(change, f"push.changes[{index}]") for index, change in enumerate(changes)]
        repository = part(data, "repository")
        links = repository.get("links", {})
        pages = [_href(links["html"], "repository.links.html")] if isinstance(links, dict) and "html" in links else []
        return hints(known_models(self.models, pages, text(repository, "full_name", "repository."), allowed), moves)

    def _data_center(self, data: dict[str, Any], allowed: frozenset[str]) -> Read:
        changes = _objects(data.get("changes"), "changes")
        moves = [_data_center_move(change, f"changes[{index}]") for index, change in enumerate(changes)]
        repository = part(data, "repository")
        key = text(part(repository, "project", "repository."), "key", "repository.project.")
        full_name = f"{key}/{text(repository, 'slug', 'repository.')}"
        links = repository.get("links", {})
        clones = _objects(links.get("clone", []), "repository.links.clone") if isinstance(links, dict) else []
        addresses = [_href(clone, "repository.links.clone") for clone in clones]
        return hints(known_models(self.models, addresses, full_name, allowed), moves)


def _cloud_move(change: dict[str, Any], where: str) -> Moved:
    """`new` is what the ref is now, null where it is gone; `old` what it was."""
    new = change.get("new")
    if new is None:
        return Moved(_cloud_ref(part(change, "old", f"{where}."), f"{where}.old"), "")
    after = part(change, "new", f"{where}.")
    target = part(after, "target", f"{where}.new.")
    sha = full_sha(text(target, "hash", f"{where}.new.target."), f"{where}.new.target.hash")
    return Moved(_cloud_ref(after, f"{where}.new"), sha)


def _cloud_ref(state: dict[str, Any], where: str) -> str:
    kind, name = text(state, "type", f"{where}."), text(state, "name", f"{where}.")
    return f"{_FOLDERS.get(kind, 'refs/other/')}{name}"


def _data_center_move(change: dict[str, Any], where: str) -> Moved:
    ref = text(part(change, "ref", f"{where}."), "id", f"{where}.ref.")
    sha = full_sha(text(change, "toHash", f"{where}."), f"{where}.toHash")
    return Moved(ref, "" if change.get("type") == "DELETE" else sha)


def _objects(value: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or any(not isinstance(each, dict) for each in value):
        raise Malformed(f"{where} is missing or no list of objects")
    return value


def _href(link: object, where: str) -> str:
    address = link.get("href") if isinstance(link, Mapping) else None
    if type(address) is not str:
        raise Malformed(f"{where} has no href")
    return address
