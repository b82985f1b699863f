"""Refs and new commits of a repository on this machine, read as git reads them: the loose ref, else packed-refs; the loose object.

It spares a look three processes. Whatever is not plain (reftable, a linked worktree, a symbolic ref, a commit in a pack or in
another encoding, a file that cannot be read) is left to git itself, which also says best what is wrong. Nothing of the repository's
own config is read here. Formats: gitrepository-layout(5), gitformat-loose(5), and of a commit git-cat-file(1).
"""

import hashlib
import os
import re
import zlib
from pathlib import Path

from pushline.trainer.checkout import CommitInfo

MOST_BYTES = 16 * 1024**2  # of packed-refs
MOST_COMMIT_BYTES = 32 * 1024  # of a commit object, as it is stored and unpacked
_LOOSE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\n")
_DIGITS = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_HASHES = {40: hashlib.sha1, 64: hashlib.sha256}  # the names of objects, by their digits
# NOTE: plain lines alone: git mends odd ones when it shows them, in ways of its own.
_COMMIT = re.compile(
    rb"commit \d+\0tree [0-9a-f]+\n(?:parent [0-9a-f]+\n)*"
    rb"author (?P<author>[^\s<>][^<>\n\0]*(?<=\S) <[^\s<>\0]+>) \d+ [+-]\d{4}\n"
    rb"committer [^\n\0]+\n(?!encoding )(?:gpgsig(?:-sha256)? [^\n\0]*\n(?: [^\n\0]*\n)*)?\n(?P<message>[^\0]*)"
)


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


def commit(folder: Path, sha: str) -> CommitInfo:
    """Describe a commit that was pushed and not packed yet; its bytes are what its name says. Raises AskGit."""
    stored = _read(folder / "objects" / sha[:2] / sha[2:], MOST_COMMIT_BYTES)
    found = _COMMIT.fullmatch(_unpacked(stored or b"", sha))
    if found is None:
        raise AskGit
    author, message = (found[name].decode("utf-8", "replace") for name in ("author", "message"))
    return CommitInfo(sha, one_line(author), message.strip())


def one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()[:200]


def _unpacked(stored: bytes, sha: str) -> bytes:
    """Raises AskGit where it is too large, or no object of that name."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(stored, MOST_COMMIT_BYTES)
    except zlib.error:
        raise AskGit from None
    if not unpacking.eof or _HASHES[len(sha)](data).hexdigest() != sha:
        raise AskGit
    return data


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
