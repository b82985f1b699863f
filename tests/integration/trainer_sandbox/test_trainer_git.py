"""Against the real git: what is fetched, and what never is."""

import os
import subprocess
from pathlib import Path

import pytest

from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.checkout import CheckoutLimits, CheckoutRefused, ForgeUnavailable

LIMITS = CheckoutLimits()


def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
    environment = {"PATH": os.defpath, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *author, *arguments], cwd=folder, env=environment, capture_output=True, check=True, input=stdin)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture
def forge(tmp_path: Path) -> GitRemote:
    return GitRemote(tmp_path / "work")


def commit(repository: Path, files: dict[str, bytes], message: str = "a commit") -> str:
    for name, content in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(content)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "--allow-empty", "-m", message)
    return git(repository, "rev-parse", "HEAD")


def test_the_head_is_what_the_repository_says(repository: Path, forge: GitRemote) -> None:
    sha = commit(repository, {"train.py": b"pass\n"})

    assert forge.head(str(repository), "main") == sha
    assert forge.head(f"file://{repository}", "main") == sha
    assert forge.head(str(repository), "nope") is None


def test_a_commit_is_described(repository: Path, forge: GitRemote) -> None:
    sha = commit(repository, {"train.py": b"pass\n"}, "Größer\n\nand better")

    info = forge.describe(str(repository), "main", sha)

    assert (info.sha, info.author, info.message) == (sha, "Ada <ada@example.org>", "Größer\n\nand better")


def test_exactly_the_commit_is_checked_out(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    first = commit(repository, {"train.py": b"one\n", "data/a.bin": bytes(range(256)) * 9000})
    commit(repository, {"train.py": b"two\n"})

    done = forge.checkout(str(repository), "main", first, tmp_path / "out", LIMITS)

    assert (tmp_path / "out/train.py").read_bytes() == b"one\n"
    assert (tmp_path / "out/data/a.bin").read_bytes() == bytes(range(256)) * 9000
    assert (done.files, done.notes) == (2, ())
    assert not (tmp_path / "out/.git").exists()


def test_a_commit_outside_the_branch_is_refused(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    commit(repository, {"train.py": b"one\n"})
    git(repository, "switch", "-q", "-c", "fork")
    stranger = commit(repository, {"train.py": b"evil\n"})
    git(repository, "switch", "-q", "main")

    with pytest.raises(CheckoutRefused, match="not in the history of branch main") as refused:
        forge.checkout(str(repository), "main", stranger, tmp_path / "out", LIMITS)

    assert refused.value.reason == "not_on_branch"
    assert not forge.on_branch(str(repository), "main", stranger)


def test_a_forced_push_back_is_followed(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    first = commit(repository, {"train.py": b"one\n"})
    second = commit(repository, {"train.py": b"two\n"})
    assert forge.on_branch(str(repository), "main", second)
    git(repository, "reset", "-q", "--hard", first)

    assert forge.head(str(repository), "main") == first
    assert not forge.on_branch(str(repository), "main", second)
    forge.checkout(str(repository), "main", first, tmp_path / "out", LIMITS)


def test_a_missing_repository_is_waited_for(forge: GitRemote, tmp_path: Path) -> None:
    with pytest.raises(ForgeUnavailable, match="does not answer"):
        forge.head(str(tmp_path / "nothing"), "main")


@pytest.mark.parametrize(
    "address", ["ext::sh -c 'touch canary'", "--upload-pack=touch canary", "fd::17", "relative/path", "-oProxyCommand=x@h:y"]
)
def test_an_address_of_another_kind_is_never_given_to_git(forge: GitRemote, address: str) -> None:
    with pytest.raises(ForgeUnavailable, match="neither an https, http or ssh address nor an absolute path"):
        forge.head(address, "main")


def test_a_password_in_an_address_is_not_repeated(forge: GitRemote) -> None:
    with pytest.raises(ForgeUnavailable) as raised:
        forge.head("http://user:hunter2@127.0.0.1:1/x.git", "main")

    assert "hunter2" not in str(raised.value)


def test_hooks_and_filters_of_the_repository_do_not_run(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    sha = commit(repository, {".gitattributes": b"* filter=evil\n", "train.py": b"pass\n"})
    for hook in ("post-checkout", "pre-upload-pack", "reference-transaction"):
        (repository / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (repository / ".git/hooks" / hook).chmod(0o755)
    git(repository, "config", "filter.evil.smudge", f"touch {canary}")

    forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)

    assert not canary.exists()


def test_a_symbolic_link_arrives_as_text(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    (repository / "model.h5").symlink_to("/etc/shadow")
    sha = commit(repository, {"train.py": b"pass\n"})

    forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)

    assert not (tmp_path / "out/model.h5").is_symlink()
    assert (tmp_path / "out/model.h5").read_text() == "/etc/shadow"


def test_submodules_and_lfs_pointers_are_named(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    sha = commit(repository, {"weights.bin": pointer})
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{sha},vendored")
    git(repository, "commit", "-q", "-m", "submodule")

    done = forge.checkout(str(repository), "main", git(repository, "rev-parse", "HEAD"), tmp_path / "out", LIMITS)

    assert done.notes == ("submodule vendored is left out", "weights.bin is a Git LFS pointer; its content is not fetched")


@pytest.mark.parametrize("name", [b"..", b".git", b".GIT"])
def test_a_path_that_leads_out_is_refused(repository: Path, forge: GitRemote, tmp_path: Path, name: bytes) -> None:
    commit(repository, {"train.py": b"pass\n"})
    blob = git(repository, "rev-parse", "HEAD:train.py")
    raw = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    sha = git(repository, "commit-tree", tree, "-m", "odd")
    git(repository, "update-ref", "refs/heads/main", sha)

    with pytest.raises(CheckoutRefused, match="is not allowed"):
        forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)


def test_too_many_or_too_large_files_are_refused_before_any_is_written(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {f"{index}.txt": b"x" * 100 for index in range(30)})

    with pytest.raises(CheckoutRefused, match="more than 20 files"):
        forge.checkout(str(repository), "main", sha, tmp_path / "many", CheckoutLimits(max_files=20))
    with pytest.raises(CheckoutRefused, match="more than 2000 bytes"):
        forge.checkout(str(repository), "main", sha, tmp_path / "large", CheckoutLimits(max_bytes=2000))

    assert not (tmp_path / "many").exists()
    assert not (tmp_path / "large").exists()


def test_a_lock_left_by_a_killed_fetch_does_not_stop_the_next_but_one(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {"train.py": b"pass\n"})
    forge.describe(str(repository), "main", sha)
    newer = commit(repository, {"train.py": b"more\n"})
    (lock,) = [mirror / "refs/remotes/origin/main.lock" for mirror in tmp_path.glob("work/git/*/mirror.git")]
    lock.touch()

    with pytest.raises(ForgeUnavailable):
        forge.describe(str(repository), "main", newer)

    assert forge.describe(str(repository), "main", newer).sha == newer
