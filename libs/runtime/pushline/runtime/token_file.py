"""A file with one token in it, such as a forge gives out. The token itself is in no message."""

import os
from pathlib import Path

from pushline.runtime import small_file

MAX_TOKEN_BYTES = 4096


class Unusable(Exception):
    """The file holds no token that may be used; the message is a sentence about it."""


def check_private(path: Path) -> None:
    """As ssh does: one's own secret is for nobody else; one that another user owns and lends by a group is for no third.

    Raises Unusable, OSError.
    """
    found = path.stat()
    wrong = found.st_mode & (0o077 if found.st_uid == os.getuid() else 0o007)
    if wrong:
        raise Unusable(f"others may read {path} (mode {found.st_mode & 0o777:03o}); run chmod 600 on it")


def read(path: Path) -> str:
    """Raises Unusable."""
    try:
        check_private(path)
        token = small_file.read(path).rstrip(b"\r\n")
    except OSError as error:
        raise Unusable(f"cannot read {path}: {error.strerror}") from None
    except small_file.Unfit as error:
        raise Unusable(f"{path} {error}") from None
    if not token or len(token) > MAX_TOKEN_BYTES or any(not 0x21 <= byte <= 0x7E for byte in token):  # noqa: PLR2004 - printable
        raise Unusable(f"{path} holds no token: one line of printable characters without spaces")
    return token.decode("ascii")
