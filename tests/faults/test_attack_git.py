"""A hostile committer's repository: names and messages that no file system, log or event can hold as they are."""

import os
import subprocess
from pathlib import Path

import pytest

from pushline.objects.memory_store import MemoryStore
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.checkout import CheckoutLimits, CheckoutRefused
from pushline.trainer.live import LiveTraining
from pushline.trainer.tries import Try

LIMITS = CheckoutLimits()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"


def git(folder: Path, *arguments: str | bytes, stdin: bytes | None = None) -> str:
    environment = {"PATH": os.defpath, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=Eve", "-c", "user.email=eve@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, env=environment, capture_output=True, check=True, input=stdin)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def commit_of(repository: Path, entries: list[tuple[bytes, bytes, bytes]], message: bytes = b"odd") -> str:
    """Each entry is mode, name and content, or for a submodule the SHA it names."""
    raw = b""
    for mode, name, content in sorted(entries, key=lambda entry: entry[1]):
        blob = git(repository, "hash-object", "-w", "--stdin", stdin=content) if mode != b"160000" else content.decode()
        raw += mode + b" " + name + b"\0" + bytes.fromhex(blob)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    sha = git(repository, "commit-tree", tree, "-F", "-", stdin=message)
    git(repository, "update-ref", "refs/heads/main", sha)
    return sha


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ((b"100644", b"we\xffights", POINTER), "we\N{REPLACEMENT CHARACTER}ights is a Git LFS pointer"),
        ((b"160000", b"sub\xfe", b"ab" * 20), "sub\N{REPLACEMENT CHARACTER} is a submodule"),
    ],
    ids=["pointer", "submodule"],
)
def test_names_that_are_no_text_can_be_told(repository: Path, tmp_path: Path, entry: tuple[bytes, bytes, bytes], said: str) -> None:
    sha = commit_of(repository, [entry])

    with pytest.raises(CheckoutRefused, match=said):
        GitRemote(tmp_path / "work").checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)


def test_a_link_whose_name_is_no_text_can_be_told_in_the_log(repository: Path, tmp_path: Path) -> None:
    sha = commit_of(repository, [(b"120000", b"li\xffnk", b"/etc/shadow")])

    checkout = GitRemote(tmp_path / "work").checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)
    live = LiveTraining(Try(MemoryStore(), "digits", "a-run", "1-a"))
    for note in checkout.notes:
        live.say(note)

    assert checkout.notes[0].startswith("li\N{REPLACEMENT CHARACTER}nk is a symbolic link")


def test_half_characters_are_no_trouble_for_the_log() -> None:
    LiveTraining(Try(MemoryStore(), "digits", "a-run", "1-a")).say("a name with half a character: \udcff")


def test_a_name_longer_than_any_file_system_takes_is_refused(repository: Path, tmp_path: Path) -> None:
    sha = commit_of(repository, [(b"100644", b"n" * 256, b"")])

    with pytest.raises(CheckoutRefused, match="which is not allowed"):
        GitRemote(tmp_path / "work").checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)


def test_of_a_huge_commit_message_only_the_beginning_is_kept(repository: Path, tmp_path: Path) -> None:
    sha = commit_of(repository, [(b"100644", b"train.py", b"")], b"x" * 2_000_000)

    assert len(GitRemote(tmp_path / "work").describe(str(repository), "main", sha).message) <= 64 * 1024
