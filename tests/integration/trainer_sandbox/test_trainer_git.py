"""Against the real git: what is fetched, and what never is."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from pushline.line.codec import cut_message
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


def test_submodules_are_refused_by_name(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {"train.py": b"pass\n", ".gitmodules": b'[submodule "../x"]\n\tpath = vendored\n\turl = ext::id\n'})
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{sha},vendored")
    git(repository, "commit", "-q", "-m", "submodule")

    with pytest.raises(CheckoutRefused, match=r"^vendored is a submodule") as refused:
        forge.checkout(str(repository), "main", git(repository, "rev-parse", "HEAD"), tmp_path / "out", LIMITS)

    assert refused.value.reason == "submodules_unsupported"


def test_an_lfs_pointer_is_refused_by_name_and_its_address_is_not_asked(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        config = f"[lfs]\n\turl = http://127.0.0.1:{elsewhere.getsockname()[1]}/\n".encode()
        attributes = b"*.bin filter=lfs diff=lfs merge=lfs -text\n"
        sha = commit(repository, {".gitattributes": attributes, ".lfsconfig": config, "data/weights.bin": pointer})

        with pytest.raises(CheckoutRefused, match=r"^data/weights.bin is a Git LFS pointer") as refused:
            forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)

        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert refused.value.reason == "lfs_unsupported"


def test_a_text_about_lfs_is_no_pointer(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {"notes.txt": b"version https://git-lfs.github.com/spec/v1\n" + b"long\n" * 1000})

    assert forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS).files == 1


@pytest.mark.parametrize(
    "name", [b"..", b".git", b".GIT", b".git ", b".git.", b"GIT~1", b".git::$INDEX_ALLOCATION", ".g\u200cit".encode()]
)
def test_a_path_that_leads_out_is_refused(repository: Path, forge: GitRemote, tmp_path: Path, name: bytes) -> None:
    commit(repository, {"train.py": b"pass\n"})
    blob = git(repository, "rev-parse", "HEAD:train.py")
    raw = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    sha = git(repository, "commit-tree", tree, "-m", "odd")
    git(repository, "update-ref", "refs/heads/main", sha)

    assert forge.head(str(repository), "main") == sha
    with pytest.raises(CheckoutRefused, match="is not allowed"):
        forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)
    better = commit(repository, {"train.py": b"better\n"})
    forge.checkout(str(repository), "main", better, tmp_path / "better", LIMITS)


def test_too_many_or_too_large_files_are_refused_before_any_is_written(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {f"{index}.txt": b"x" * 100 for index in range(30)})

    with pytest.raises(CheckoutRefused, match="more than 20 files"):
        forge.checkout(str(repository), "main", sha, tmp_path / "many", CheckoutLimits(max_files=20))
    with pytest.raises(CheckoutRefused, match="more than 2000 bytes") as refused:
        forge.checkout(str(repository), "main", sha, tmp_path / "large", CheckoutLimits(max_bytes=2000))
    assert refused.value.reason == "repo_limits"

    assert not (tmp_path / "many").exists()
    assert not (tmp_path / "large").exists()


def test_a_lock_left_by_a_killed_fetch_does_not_stop_the_next_but_one(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    sha = commit(repository, {"train.py": b"pass\n"})
    forge.describe(str(repository), "main", sha)
    newer = commit(repository, {"train.py": b"more\n"})
    (lock,) = [mirror / "refs/remotes/origin/main.lock" for mirror in tmp_path.glob("work/git/*/mirror.git")]
    lock.touch()

    with pytest.raises(ForgeUnavailable):
        forge.on_branch(str(repository), "main", newer)

    assert forge.on_branch(str(repository), "main", newer)


def test_a_history_above_the_limit_is_refused_and_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    sha = commit(repository, {"train.py": b"pass\n", "noise.bin": os.urandom(3_000_000)})
    forge = GitRemote(tmp_path / "work", max_pack_bytes=1_000_000)

    with pytest.raises(CheckoutRefused, match="is above 1000000 bytes") as refused:
        forge.describe(str(repository), "main", sha)

    assert refused.value.reason == "repo_limits"
    assert sum(path.stat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file()) < 100_000


def tree_of(repository: Path, raw: bytes) -> str:
    return git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)


def test_a_tree_bomb_is_refused_at_the_limit(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"x")
    tree, mode = blob, b"100644"
    for _ in range(12):
        tree, mode = tree_of(repository, b"".join(mode + b" %d\0" % n + bytes.fromhex(tree) for n in range(10))), b"40000"
    sha = git(repository, "commit-tree", tree, "-m", "10^12 files")
    git(repository, "update-ref", "refs/heads/main", sha)

    with pytest.raises(CheckoutRefused, match="has more than 20000 files") as refused:
        forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)

    assert refused.value.reason == "repo_limits"


def test_a_tree_of_empty_folders_without_end_is_given_up(
    repository: Path, forge: GitRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushline.trainer.adapters.git_tree.LIST_SECONDS", 1)
    tree = tree_of(repository, b"")
    for _ in range(30):
        tree = tree_of(repository, b"".join(b"40000 %d\0" % n + bytes.fromhex(tree) for n in range(10)))
    sha = git(repository, "commit-tree", tree, "-m", "10^30 folders")
    git(repository, "update-ref", "refs/heads/main", sha)

    with pytest.raises(CheckoutRefused, match="too deep or too wide") as refused:
        forge.checkout(str(repository), "main", sha, tmp_path / "out", LIMITS)

    assert refused.value.reason == "repo_limits"


def test_an_empty_repository_has_no_head(repository: Path, forge: GitRemote) -> None:
    assert forge.head(str(repository), "main") is None


def test_a_branch_named_like_a_tag_is_the_branch(repository: Path, forge: GitRemote, tmp_path: Path) -> None:
    old = commit(repository, {"train.py": b"old\n"})
    git(repository, "tag", "main", old)
    git(repository, "branch", "refs/heads/main", old)
    new = commit(repository, {"train.py": b"new\n"})
    git(repository, "update-ref", "refs/heads/main", new)

    assert forge.head(str(repository), "main") == new
    forge.checkout(str(repository), "main", new, tmp_path / "out", LIMITS)
    assert (tmp_path / "out/train.py").read_bytes() == b"new\n"


def test_of_a_huge_message_with_control_characters_a_record_can_be_made(repository: Path, forge: GitRemote) -> None:
    commit(repository, {"train.py": b"pass\n"})
    message = b"begin \x1b[31m\x07\r\x08 \xff\xfe " + b"x" * 1_000_000
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    sha = git(repository, "commit-tree", tree, "-p", "HEAD", "-F", "-", stdin=message)
    git(repository, "update-ref", "refs/heads/main", sha)

    kept = cut_message(forge.describe(str(repository), "main", sha).message)

    assert kept.startswith("begin")
    assert len(kept.encode()) <= 2048


def test_each_first_parent_commit_since_another_is_listed_oldest_first(repository: Path, forge: GitRemote) -> None:
    first = commit(repository, {"train.py": b"1\n"})
    second = commit(repository, {"train.py": b"2\n"}, "second")
    git(repository, "switch", "-q", "-c", "topic", first)
    commit(repository, {"other.py": b"x\n"}, "on a topic")
    git(repository, "switch", "-q", "main")
    git(repository, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = git(repository, "rev-parse", "HEAD")
    last = commit(repository, {"train.py": b"4\n"}, "last")

    def listed(since: str, most: int = 100) -> list[str]:
        return [info.sha for info in forge.between(str(repository), "main", since, last, most)]

    assert listed(first) == [second, merge, last]
    assert listed(first, 2) == [second, merge]
    assert listed(last) == []
    assert listed("0" * 40) == []
    assert listed("--all") == []


def test_what_is_no_ancestor_gives_no_list(repository: Path, forge: GitRemote) -> None:
    commit(repository, {"train.py": b"1\n"})
    gone = commit(repository, {"train.py": b"2\n"})
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    head = commit(repository, {"train.py": b"3\n"})

    assert forge.between(str(repository), "main", gone, head, 100) == ()
