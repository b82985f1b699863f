"""Bearer tokens that a server takes, from a file: who may ask. Knows no protocol but the value of the Authorization header."""

import hashlib
import re
import secrets
from pathlib import Path

from pushline.runtime import small_file
from pushline.runtime.settings import SettingsError

CHALLENGE = 'Bearer realm="pushline"'  # what WWW-Authenticate says
FEWEST, MOST = 16, 1024  # characters of a token
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # RFC 6750's b64token
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)


class Tokens:
    """Any of the file's tokens is as good as another; several, so that one can be replaced without a gap.

    A line is `token` or `name token`; empty lines and those that begin with # are passed over. The name tells people whose token
    it is, and is the one thing of it that is ever logged. Safe to call from many threads.

    NOTE: what is compared is a keyed digest, with a key that nobody outside this process knows. How long the look-up takes says
    nothing about a token then, and it takes as long for a thousand tokens as for one.
    """

    def __init__(self, path: Path, setting: str) -> None:
        """`setting` names the file in messages. Raises SettingsError."""
        self.path, self._setting = path, setting
        self._key = secrets.token_bytes(32)
        self.names: tuple[str, ...] = ()
        self._digests: frozenset[bytes] = frozenset()
        self.read_again()

    def allows(self, authorization: str) -> bool:
        """Say whether the value of an Authorization header (empty: there is none) has one of the tokens."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._digest(token.strip(" ")) in self._digests

    def read_again(self) -> None:
        """Take what the file holds now. Raises SettingsError, which holds no token, and keeps what there was."""
        try:
            found = _parse(self._text())
        except ValueError as error:
            raise self._wrong(f"{self.path}: {error}") from None
        self._digests = frozenset(self._digest(token) for _, token in found)
        self.names = tuple(name for name, _ in found)

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(errors="replace"), key=self._key, digest_size=32).digest()

    def _text(self) -> str:
        try:
            data = small_file.read(self.path)
        except OSError as error:
            raise self._wrong(f"cannot read {self.path}: {error.strerror}") from None
        except small_file.Unfit as error:
            raise ValueError(str(error)) from None
        if not data.isascii():
            raise ValueError("is not ASCII text")
        return data.decode("ascii")

    def _wrong(self, sentence: str) -> SettingsError:
        return SettingsError((f"{self._setting}: {sentence}",))


def _parse(text: str) -> list[tuple[str, str]]:
    """Give names and tokens. Raises ValueError with a sentence that holds no token."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:  # noqa: PLR2004 - name and token
            raise ValueError(f"line {number} has {len(words)} words; write `token` or `name token`")
        name = words[0] if len(words) > 1 else f"line {number}"
        if len(words) > 1 and not _NAME.fullmatch(name):
            raise ValueError(f"line {number}: a name has letters, digits and . _ @ - alone, at most 64")
        if not FEWEST <= len(words[-1]) <= MOST or not _TOKEN.fullmatch(words[-1]):
            raise ValueError(
                f"line {number}: a token has {FEWEST} to {MOST} letters, digits and . _ ~ + / - alone, and = at its end"
            )
        found[words[-1]] = name
    if not found:
        raise ValueError("holds no token")
    return [(name, token) for token, name in found.items()]
