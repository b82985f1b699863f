"""The webhook of Gitea and Forgejo: GitHub's words under headers of its own."""

from dataclasses import dataclass

from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.webhook import signature
from pushline.trainer.webhook.forms import Read, form_or_json, github_push, only, other_event
from pushline.trainer.webhook.signature import Headers, Keyring
from pushline.trainer.webhook.strict_json import Malformed, parse_object

_EVENTS = ("x-forgejo-event", "x-gitea-event", "x-github-event")  # Forgejo sends all three


@dataclass(frozen=True, slots=True)
class GiteaForm:
    models: tuple[ModelConfig, ...]
    answer_seconds: float = 4.5  # Gitea waits 5 s where nobody said otherwise

    def prove(self, headers: Headers, body: bytes, keyring: Keyring, /) -> frozenset[str]:
        return signature.gitea(headers, body, keyring)

    def read(self, headers: Headers, body: bytes, allowed: frozenset[str], /) -> Read:
        events = {only(headers, name) for name in _EVENTS if name in headers}
        if len(events) != 1:
            raise Malformed("header x-gitea-event is missing, or another event header contradicts it")
        data = parse_object(form_or_json(headers, body))
        return github_push(self.models, data, allowed) if events == {"push"} else other_event()
