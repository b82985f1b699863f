"""Refs of a repository on this machine, read as git reads them: the loose ref, else packed-refs.

It spares a look two processes. Whatever is not plain (reftable, a linked worktree, a symbolic ref, a file that cannot be read) is
left to git itself, which also says best what is wrong. Nothing of the repository's own config is read here.
"""

import os
import re
from pathlib import Path

MOST_BYTES = 16 * 1024**2  # of packed-refs
_LOOSE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\n")
_DIGITS = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")


class AskGit(Exception):
    """It is not plain."""


def git_folder(repository: Path) -> Path:
    """Give the folder with the refs and objects. Raises AskGit."""
    for folder in (repository, repository / ".git"):
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            if (folder / "commondir").exists() or not (folder / "refs").is_dir() or (folder / "reftable").exists():
                raise AskGit
            return folder
    raise AskGit


def head(folder: Path, ref: str) -> str | None:
    """Give what a ref (refs/heads/main) points to, None where there is no such ref. Raises AskGit."""
    if ".." in ref:
        raise AskGit
    # NOTE: the loose ref first: git packs a ref before it removes the loose one, and a loose one is newer than a packed one.
    loose = _read(folder / ref, 1024)
    if loose is None:
        return _packed(_read(folder / "packed-refs", MOST_BYTES) or b"", ref.encode())
    found = _LOOSE.fullmatch(loose)
    if found is None:
        raise AskGit
    return found[1].decode()


def _packed(packed: bytes, ref: bytes) -> str | None:
    end = packed.find(b" %s\n" % ref)
    if end < 0:
        return None
    sha = packed[packed.rfind(b"\n", 0, end) + 1 : end]
    if not _DIGITS.fullmatch(sha):
        raise AskGit
    return sha.decode()


def _read(path: Path, most: int) -> bytes | None:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        raise AskGit from None
    try:
        data = os.read(number, most)
    except OSError:
        raise AskGit from None
    finally:
        os.close(number)
    if len(data) == most:
        raise AskGit
    return data
