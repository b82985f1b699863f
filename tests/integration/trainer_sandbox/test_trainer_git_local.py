"""A repository on this machine is read as files, and what is read is what git would say."""

import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushline.trainer.adapters import git_local
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.checkout import CheckoutLimits, CommitInfo
from tests.fixtures.trainer_intake.repository import Repository
from tests.waiting import until

MAIN = "refs/heads/main"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def by_git(repository: Repository, branch: str = "main") -> str | None:
    said = repository.git("ls-remote", "--refs", str(repository.bare), f"refs/heads/{branch}")
    return said.partition("\t")[0] or None


def pack(repository: Repository) -> None:
    repository.git("--git-dir", str(repository.bare), "pack-refs", "--all")


def packed(repository: Repository) -> None:
    repository.push()
    pack(repository)


def packed_and_moved(repository: Repository) -> None:
    repository.push()
    pack(repository)
    repository.push()


def packed_and_deleted(repository: Repository) -> None:
    repository.push()
    pack(repository)
    repository.delete()


def packed_beside_others(repository: Repository) -> None:
    for branch in ("main2", "amain", "x/refs/heads/main", "main"):
        repository.push(branch=branch)
    pack(repository)


STATES: dict[str, Callable[[Repository], object]] = {
    "no branch": lambda _: None,
    "loose": lambda repository: repository.push(),
    "packed": packed,
    "packed, then moved": packed_and_moved,
    "packed, then deleted": packed_and_deleted,
    "packed beside others that end alike": packed_beside_others,
}


@pytest.mark.parametrize("state", STATES)
def test_the_head_that_is_read_is_the_one_that_git_tells(repository: Repository, state: str) -> None:
    STATES[state](repository)

    assert git_local.head(git_local.git_folder(repository.bare), MAIN) == by_git(repository)


def test_a_repository_with_a_work_tree_is_read_too(repository: Repository, tmp_path: Path) -> None:
    sha = repository.push()

    assert git_local.head(git_local.git_folder(tmp_path / "work"), MAIN) == sha


def symbolic(repository: Repository) -> None:
    repository.push(branch="other")
    repository.git("--git-dir", str(repository.bare), "symbolic-ref", "refs/heads/main", "refs/heads/other")


def a_link(repository: Repository) -> None:
    sha = repository.push(branch="other")
    (repository.bare / "refs/heads/main").symlink_to(repository.bare / "refs/heads/other")
    assert (repository.bare / "refs/heads/main").read_text() == f"{sha}\n"


@pytest.mark.parametrize("odd", [symbolic, a_link])
def test_what_is_not_plain_is_left_to_git(repository: Repository, tmp_path: Path, odd: Callable[[Repository], None]) -> None:
    odd(repository)

    with pytest.raises(git_local.AskGit):
        git_local.head(git_local.git_folder(repository.bare), MAIN)
    assert GitRemote(tmp_path / "forge").head(str(repository.bare), "main") == by_git(repository)


def test_a_linked_work_tree_and_a_folder_that_is_no_repository_are_left_to_git(repository: Repository, tmp_path: Path) -> None:
    repository.push()
    repository.git("--git-dir", str(repository.bare), "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "main")

    for folder in (tmp_path / "linked", repository.bare / "worktrees/linked", tmp_path):
        with pytest.raises(git_local.AskGit):
            git_local.git_folder(folder)


def test_a_branch_whose_name_leads_elsewhere_is_left_to_git(repository: Repository) -> None:
    repository.push()

    with pytest.raises(git_local.AskGit):
        git_local.head(git_local.git_folder(repository.bare), "refs/heads/../../HEAD")


def test_a_pushed_head_is_described_as_after_a_fetch_and_by_our_config_alone(repository: Repository, tmp_path: Path) -> None:
    forge, fetched = GitRemote(tmp_path / "forge"), GitRemote(tmp_path / "fetched")
    forge.describe(str(repository.bare), "main", repository.push())
    sha = repository.push("Größer: a message\n\nwith a body")
    canary = tmp_path / "canary"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "gpg.program", "core.pager", "core.sshCommand"):
        repository.git("--git-dir", str(repository.bare), "config", name, str(program))
    repository.git("--git-dir", str(repository.bare), "config", "log.showSignature", "true")

    shown = forge.describe(str(repository.bare), "main", sha)

    assert shown == fetched.describe(str(repository.bare), "main", sha)
    assert shown.message == "Größer: a message\n\nwith a body"
    assert not canary.exists()


def test_a_head_is_brought_here_ahead_of_its_checkout_once_the_one_before_was_checked_out(
    repository: Repository, tmp_path: Path
) -> None:
    forge, asked, others = GitRemote(tmp_path / "forge"), (str(repository.bare), "main"), set(threading.enumerate())

    def pushed() -> str:
        sha = repository.push()
        assert forge.describe(*asked, sha).sha == sha
        return sha

    first = pushed()
    pushed()
    assert not {thread for thread in threading.enumerate() if thread.name == "fetch-ahead"} - others
    forge.checkout(*asked, first, tmp_path / "out", CheckoutLimits())
    ahead = pushed()

    until(lambda: list((tmp_path / "forge").glob(f"git/*/mirror.git/objects/{ahead[:2]}/{ahead[2:]}")), 20, "it in the mirror")


HEADERS = (
    "",
    "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc=\n -----END PGP SIGNATURE-----\n",
    "encoding ISO-8859-1\n",
    "mergetag object 1\n type commit\n",
    "author Eve <eve@example.com> 1 +0000\n",
)
AUTHORS = (
    "Ada <ada@example.com>",
    "Ü N <a@b>",
    " Ada  <ada@example.com>",
    "<>",
    "A <b> <c@d>",
    "A\x1bB <a@b>",
    "A <a b>",
    "A\t <a@b>",
    "A <a\x85b>",
)


def stored(repository: Repository, author: str, header: str, message: bytes) -> str:
    """Put a commit as loose object into the repository, whether git would make such a one or not."""
    tree = repository.git("--git-dir", str(repository.bare), "hash-object", "-t", "tree", "-w", "/dev/null")
    head = f"tree {tree}\nauthor {author} 1700000000 +0100\ncommitter Bob <bob@example.com> 1700000000 +0100\n{header}\n"
    return repository.put("commit", head.encode() + message)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    author=st.sampled_from(AUTHORS),
    header=st.sampled_from(HEADERS),
    message=st.one_of(st.text().map(str.encode), st.binary(), st.just(b"x" * 40_000), st.just(b"\n\n two \r\n\n lines \n")),
)
def test_a_commit_is_described_as_git_does_or_left_to_it(repository: Repository, author: str, header: str, message: bytes) -> None:
    sha = stored(repository, author, header, message)
    try:
        read = git_local.commit(repository.bare, sha)
    except git_local.AskGit:
        assert author not in AUTHORS[:2] or header not in HEADERS[:2] or b"\0" in message or len(message) > 30_000
        return

    assert read == shown_by_git(repository, sha)


def shown_by_git(repository: Repository, sha: str) -> CommitInfo:
    words = ["show", "-s", "--format=%an <%ae>%x00%B", sha]
    author, _, message = repository.output("--git-dir", str(repository.bare), *words).decode("utf-8", "replace").partition("\0")
    return CommitInfo(sha, git_local.one_line(author), message.strip())


def damaged(path: Path) -> None:
    path.write_bytes(zlib.compress(zlib.decompress(path.read_bytes()).replace(b"Work", b"Play")))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def enormous(path: Path) -> None:
    path.write_bytes(zlib.compress(b"commit 1\0" + bytes(1 << 27)))


@pytest.mark.parametrize("spoil", [damaged, cut, enormous, Path.unlink])
def test_a_commit_that_is_not_what_its_name_says_is_left_to_git(repository: Repository, spoil: Callable[[Path], None]) -> None:
    sha = repository.push()
    path = repository.bare / "objects" / sha[:2] / sha[2:]
    assert git_local.commit(repository.bare, sha).message == "Work"
    path.chmod(0o644)

    spoil(path)

    with pytest.raises(git_local.AskGit):
        git_local.commit(repository.bare, sha)


def test_a_packed_commit_is_described_by_git(repository: Repository, tmp_path: Path) -> None:
    forge = GitRemote(tmp_path / "forge")
    forge.describe(str(repository.bare), "main", repository.push())
    sha = repository.push("In a pack")
    repository.git("--git-dir", str(repository.bare), "gc", "--quiet")

    with pytest.raises(git_local.AskGit):
        git_local.commit(repository.bare, sha)
    assert forge.describe(str(repository.bare), "main", sha).message == "In a pack"
