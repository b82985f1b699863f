"""The files of one commit out of a mirror into a plain folder, written by ourselves: no filter, hook or link takes part."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pushline.runtime.git_command import GitCommand, GitFailed, end_group, kill_group
from pushline.trainer.checkout import Checkout, CheckoutLimits, CheckoutRefused

CHUNK = 1024 * 1024
MAX_NOTES = 20
MAX_PATH_BYTES, MAX_NAME_BYTES = 1024, 255  # the second is what file systems take
LIST_SECONDS = 60
LFS = b"version https://git-lfs.github.com/spec/"
MAX_POINTER_BYTES = 1024
_DOT_GIT = re.compile(rb"(\.git|git~[0-9]+)[ .]*(:.*)?", re.IGNORECASE | re.DOTALL)  # as NTFS takes it, too
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
SYMLINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Entry:
    mode: str
    sha: str
    size: int
    path: str


def extract(git: GitCommand, mirror: Path, sha: str, folder: Path, limits: CheckoutLimits) -> Checkout:
    """A symbolic link becomes a small file with its target as text, as in git without links. Raises CheckoutRefused, GitFailed."""
    files = list(_entries(git, mirror, sha, limits))
    for entry in files:
        _refuse_submodule(entry)
    folder.mkdir(parents=True)
    reader = git.start(["-C", str(mirror), "cat-file", "--batch"], stdin=subprocess.PIPE)
    try:
        for entry in files:
            _write(reader, entry, folder)
    finally:
        kill_group(reader)
    links = [
        f"{_shown(entry.path)} is a symbolic link; it is a file with the link's target as text here"
        for entry in files
        if entry.mode == SYMLINK
    ]
    return Checkout(folder, len(files), sum(entry.size for entry in files), tuple(links[:MAX_NOTES]))


def _refuse_submodule(entry: Entry) -> None:
    if entry.mode == SUBMODULE:
        said = f"{_shown(entry.path)} is a submodule, and submodules are not fetched; put its files into the repository"
        raise CheckoutRefused("submodules_unsupported", said)


def _entries(git: GitCommand, mirror: Path, sha: str, limits: CheckoutLimits) -> Iterator[Entry]:
    listing = git.start(["-C", str(mirror), "ls-tree", "-r", "-z", "-l", "--full-tree", sha])
    assert listing.stdout is not None  # noqa: S101 - start() opened it
    count = size = 0
    deadline = threading.Timer(LIST_SECONDS, end_group, [listing])
    deadline.start()
    try:
        for line in _split(listing.stdout):
            entry = _entry(line)
            count, size = count + 1, size + entry.size
            if count > limits.max_files:
                raise CheckoutRefused("repo_limits", f"commit {sha[:12]} has more than {limits.max_files} files")
            if size > limits.max_bytes:
                raise CheckoutRefused("repo_limits", f"the files of commit {sha[:12]} have more than {limits.max_bytes} bytes")
            yield entry
        if listing.wait() != 0:
            raise _unlisted(sha, listing.returncode)
    finally:
        deadline.cancel()
        kill_group(listing)


def _unlisted(sha: str, code: int) -> Exception:
    """Git ends by a signal where a tree is nested too deep, or where it takes too long and is stopped."""
    if code < 0:
        return CheckoutRefused("repo_limits", f"the tree of commit {sha[:12]} is too deep or too wide to be listed")
    return GitFailed(f"the tree of {sha} cannot be read")


def _split(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(CHUNK):
        *lines, rest = (rest + chunk).split(b"\0")
        yield from lines
    if rest:
        raise GitFailed("the tree listing ends in the middle of a line")


def _entry(line: bytes) -> Entry:
    facts, _, path = line.partition(b"\t")
    mode, _, sha, size = facts.decode().split()
    _check_path(path)
    return Entry(mode, sha, 0 if size == "-" else int(size), os.fsdecode(path))


def _shown(path: str) -> str:
    """A name need not be UTF-8; what is written about it is."""
    return os.fsencode(path).decode("utf-8", "replace")


def _check_path(path: bytes) -> None:
    parts = path.split(b"/")
    too_long = len(path) > MAX_PATH_BYTES or any(len(part) > MAX_NAME_BYTES for part in parts)
    if too_long or any(_leads_out(part) for part in parts):
        raise CheckoutRefused("repository_unsafe", f"the repository holds a file with the path {path[:80]!r}, which is not allowed")


def _leads_out(name: bytes) -> bool:
    plain = _IGNORED_BY_HFS.sub("", name.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return plain in {b"", b".", b".."} or _DOT_GIT.fullmatch(plain) is not None


def _write(reader: subprocess.Popen[bytes], entry: Entry, folder: Path) -> None:
    """Raises CheckoutRefused where the file is a Git LFS pointer, or its path is taken."""
    assert reader.stdin is not None  # noqa: S101 - extract() opened both
    assert reader.stdout is not None  # noqa: S101
    reader.stdin.write(entry.sha.encode() + b"\n")
    reader.stdin.flush()
    header = reader.stdout.readline().split()
    if len(header) != 3 or header[1] != b"blob" or int(header[2]) != entry.size:  # noqa: PLR2004 - sha, type, size
        raise GitFailed(f"object {entry.sha} is missing or not what the tree says")
    path = folder / entry.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if entry.mode == "100755" else 0o644)
    except (FileExistsError, NotADirectoryError):
        raise CheckoutRefused("repository_unsafe", f"the repository holds the path {entry.path[:80]!r} twice") from None
    with os.fdopen(descriptor, "wb") as file:
        first = _copy(reader.stdout, file, entry.size)
    if first.startswith(LFS) and entry.size < MAX_POINTER_BYTES:
        said = f"{_shown(entry.path)} is a Git LFS pointer, and Git LFS is not fetched; put the file itself into the repository"
        raise CheckoutRefused("lfs_unsupported", said)


def _copy(source: IO[bytes], file: IO[bytes], size: int) -> bytes:
    first, left = b"", size
    while left:
        chunk = source.read(min(left, CHUNK))
        if not chunk:
            raise GitFailed("git ended in the middle of a file")
        first = first or chunk[: len(LFS)]
        file.write(chunk)
        left -= len(chunk)
    source.read(1)
    return first
