"""HMAC-SHA256 over the raw body, compared in constant time, before anything of the body is parsed."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pushline.runtime.operator_file import ModelConfig

_SIGNATURE = re.compile(rb"sha256=([0-9a-f]{64})")
_NOBODYS_SECRET = b"verified where no secret is known, so that this takes as long as with one"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Secrets, each with the models that it may speak for."""

    keys: tuple[tuple[bytes, frozenset[str]], ...] = field(repr=False)

    @classmethod
    def of(cls, models: Iterable[ModelConfig], emit_secret: bytes = b"") -> "Keyring":
        """`emit_secret`, where there is one, speaks for every model."""
        known = tuple(models)
        keys = [(secret, frozenset({model.name})) for model in known for secret in model.webhook_secrets]
        if emit_secret:
            keys.append((emit_secret, frozenset(model.name for model in known)))
        return cls(tuple(keys))

    def models_of(self, signatures: Sequence[str], body: bytes) -> frozenset[str]:
        """Give the models that the sender may speak for; none where the signature is wrong. Tries every secret, always.

        `signatures` are the header's values as they came: exactly one counts, "sha256=" and 64 small hexadecimal digits.
        """
        given = _SIGNATURE.fullmatch(signatures[0].encode("latin-1", "replace")) if len(signatures) == 1 else None
        digest = given[1] if given else b""
        allowed: set[str] = set()
        for secret, models in self.keys or ((_NOBODYS_SECRET, frozenset[str]()),):
            expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
            if hmac.compare_digest(expected, digest):
                allowed |= models
        return frozenset(allowed)
