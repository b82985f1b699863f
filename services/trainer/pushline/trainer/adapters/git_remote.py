"""Repositories through the git command, with one bare mirror a repository in the trainer's work folder."""

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pushline.runtime.git_access import GitAccess
from pushline.runtime.git_command import GitCommand, GitFailed, Repository, parse_repository, redact
from pushline.runtime.git_heads import MAX_FILE_BYTES, SHA, heads, open_git
from pushline.trainer.adapters import git_local
from pushline.trainer.adapters.git_tree import extract
from pushline.trainer.checkout import Checkout, CheckoutLimits, CheckoutRefused, CommitInfo, ForgeUnavailable

ASK_SECONDS = 30
FETCH_SECONDS = 600
LOCAL_SECONDS = 60
MAX_DESCRIPTION_BYTES = 64 * 1024  # of author and message; no event takes more of them
MAX_PACK_BYTES = MAX_FILE_BYTES
AHEAD_SECONDS, AHEAD_NICE = 1.0, 10
FRESH_SECONDS = 10.0  # in which the checkout of a head that was just described need not fetch it again
TOO_LARGE = re.compile(r"died of signal 25|File too large")


@dataclass
class GitRemote:
    """Thread-safe; calls about one repository's mirror wait for each other."""

    work_folder: Path
    access: Mapping[str, GitAccess] = field(default_factory=dict)  # by repository, as the operator wrote it
    max_pack_bytes: int = MAX_PACK_BYTES
    _locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)
    _brought_ahead: dict[str, float] = field(default_factory=dict, init=False)  # by repository, when that began
    _heads: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, init=False)  # seen by describe(), and when

    def head(self, repository: str, branch: str, /) -> str | None:
        known = parse_repository(repository)
        if known.is_local:
            with suppress(git_local.AskGit):
                return git_local.head(git_local.git_folder(Path(known.url)), f"refs/heads/{branch}")
        known, git, _ = self._open(repository)
        return heads(known, git, branch, ASK_SECONDS).get(branch)

    def describe(self, repository: str, branch: str, sha: str, /) -> CommitInfo:
        shown = self._shown(repository, branch, sha)
        if shown is not None:
            self._bring_ahead(repository, branch, sha)
            return shown
        with self._lock(repository):
            git, mirror = self._brought(repository, branch, sha)
            head = self._info(git, mirror, _tracking(branch))
            if head.sha == sha:
                self._heads[repository, branch] = sha, time.monotonic()
                return head
            self._check_holds(git, mirror, branch, sha)
            return self._info(git, mirror, sha)

    def between(self, repository: str, branch: str, since: str, head: str, most: int, /) -> tuple[CommitInfo, ...]:
        with self._lock(repository):
            git, mirror = self._fetched(repository, branch, head)
            if not SHA.fullmatch(since) or not self._holds(git, mirror, ["merge-base", "--is-ancestor", since, head]):
                return ()
            listed = self._local(git, mirror, ["rev-list", "--first-parent", "--reverse", f"{since}..{head}"])
            return tuple(self._info(git, mirror, sha) for sha in listed.decode("ascii").split()[:most])

    def on_branch(self, repository: str, branch: str, sha: str, /) -> bool:
        try:
            with self._lock(repository):
                self._fetched(repository, branch, sha)
        except CheckoutRefused:
            return False
        return True

    def checkout(self, repository: str, branch: str, sha: str, folder: Path, limits: CheckoutLimits, /) -> Checkout:
        with self._lock(repository):
            seen, when = self._heads.pop((repository, branch), ("", 0.0))
            is_fresh = seen == sha and time.monotonic() - when < FRESH_SECONDS
            _, git, mirror = self._open(repository) if is_fresh else (None, *self._fetched(repository, branch, sha))
            try:
                return extract(git, mirror, sha, folder, limits)
            except GitFailed as error:
                shutil.rmtree(mirror, ignore_errors=True)  # a mirror that cannot be read is made anew by the next try
                raise ForgeUnavailable(f"the copy of {redact(repository)} cannot be read: {error}") from None

    def _shown(self, repository: str, branch: str, sha: str) -> CommitInfo | None:
        """Describe the head of a repository on this machine from its own objects, not brought here; None where it cannot be.

        What is read are objects alone: the mirror's config counts, not the repository's.
        """
        known, git, mirror = self._open(repository)
        if not known.is_local or not (mirror / "HEAD").exists():
            return None
        with suppress(git_local.AskGit, ForgeUnavailable):
            folder, is_plain = git_local.git_folder(Path(known.url)), not set(known.url) & set('"\\')
            if is_plain and git_local.head(folder, f"refs/heads/{branch}") == sha:
                with suppress(git_local.AskGit):
                    return git_local.commit(folder, sha)
                return self._info(replace(git, objects=folder / "objects"), mirror, sha)
        return None

    def _bring_ahead(self, repository: str, branch: str, sha: str) -> None:
        """Fetch what was shown, as a training will want it soon; nobody waits for that, and it may fail. Not twice in a second.

        Not either while no training has taken what was seen before: then trainings are behind pushes, and it would be in vain.
        git gives way to webhooks meanwhile: they come by the hundred, and a fetch is six processes.
        """
        if (repository, branch) in self._heads:
            return
        began = self._brought_ahead.get(repository)
        if began is None or time.monotonic() - began > AHEAD_SECONDS:
            self._brought_ahead[repository] = time.monotonic()
            threading.Thread(target=self._bring, args=(repository, branch, sha), name="fetch-ahead", daemon=True).start()

    def _bring(self, repository: str, branch: str, sha: str) -> None:
        with suppress(CheckoutRefused, ForgeUnavailable, git_local.AskGit, OSError), self._lock(repository):
            _, mirror = self._brought(repository, branch, sha, AHEAD_NICE)
            if git_local.head(mirror, _tracking(branch)) == sha:
                self._heads[repository, branch] = sha, time.monotonic()

    def _info(self, git: GitCommand, mirror: Path, commit: str) -> CommitInfo:
        output = self._local(git, mirror, ["show", "-s", "--format=%H%x00%an <%ae>%x00%B", commit])[:MAX_DESCRIPTION_BYTES]
        sha, _, words = output.decode("utf-8", "replace").partition("\0")
        author, _, message = words.partition("\0")
        return CommitInfo(sha, git_local.one_line(author), message.strip())

    def _fetched(self, repository: str, branch: str, sha: str) -> tuple[GitCommand, Path]:
        """Bring the branch into the mirror and see that it holds the commit."""
        git, mirror = self._brought(repository, branch, sha)
        self._check_holds(git, mirror, branch, sha)
        return git, mirror

    def _brought(self, repository: str, branch: str, sha: str, nice: int = 0) -> tuple[GitCommand, Path]:
        if not SHA.fullmatch(sha):
            raise CheckoutRefused("no_commit", f"{sha[:80]!r} is not the full SHA of a commit")
        known, git, mirror = self._open(repository)
        self._fetch(known, replace(git, nice=nice), mirror, branch)
        return git, mirror

    def _check_holds(self, git: GitCommand, mirror: Path, branch: str, sha: str) -> None:
        if not self._holds(git, mirror, ["merge-base", "--is-ancestor", sha, _tracking(branch)]):
            raise CheckoutRefused("not_on_branch", f"commit {sha[:12]} is not in the history of branch {branch}")

    def _fetch(self, known: Repository, git: GitCommand, mirror: Path, branch: str) -> None:
        refspec = f"+refs/heads/{branch}:{_tracking(branch)}"
        flags = ["--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
        try:
            if not (mirror / "HEAD").exists():
                shutil.rmtree(mirror, ignore_errors=True)
                git.run(
                    ["init", "--quiet", "--bare", "--template=", f"--object-format={self._format(known, git)}", "--", str(mirror)],
                    LOCAL_SECONDS,
                )
            git.run(["-C", str(mirror), "fetch", *flags, "--", known.url, refspec], FETCH_SECONDS)
        except (GitFailed, ForgeUnavailable) as error:
            self._drop_leftovers(mirror)
            if TOO_LARGE.search(str(error)):
                said = f"branch {branch} cannot be fetched: its history, or a file in it, is above {self.max_pack_bytes} bytes"
                raise CheckoutRefused("repo_limits", said) from None
            raise ForgeUnavailable(f"branch {branch} of {redact(known.url)} cannot be fetched: {error}") from None

    def _format(self, known: Repository, git: GitCommand) -> str:
        output = git.run(["ls-remote", "--refs", "--", known.url, "refs/heads/*"], ASK_SECONDS)
        return "sha256" if len(output.partition(b"\t")[0]) == 64 else "sha1"  # noqa: PLR2004 - hexadecimal digits

    def _drop_leftovers(self, mirror: Path) -> None:
        """A killed fetch may leave a lock behind that no later fetch would get past, and half of what it fetched."""
        for half in (*mirror.glob("objects/pack/tmp_*"), *mirror.glob("objects/??/tmp_obj_*")):
            half.unlink(missing_ok=True)
        if any(mirror.glob("**/*.lock")):
            shutil.rmtree(mirror, ignore_errors=True)

    def _holds(self, git: GitCommand, mirror: Path, question: list[str]) -> bool:
        try:
            git.run(["-C", str(mirror), *question], LOCAL_SECONDS)
        except GitFailed:
            return False
        return True

    def _local(self, git: GitCommand, mirror: Path, arguments: list[str]) -> bytes:
        try:
            return git.run(["-C", str(mirror), *arguments], LOCAL_SECONDS)
        except GitFailed as error:
            raise ForgeUnavailable(f"the copy of the repository cannot be read: {error}") from None

    def _open(self, repository: str) -> tuple[Repository, GitCommand, Path]:
        known = parse_repository(repository)
        folder = self.work_folder / "git" / hashlib.sha256(known.url.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        _, git = open_git(repository, self.access.get(repository, GitAccess()), folder, self.max_pack_bytes)
        return known, git, folder / "mirror.git"

    def _lock(self, repository: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(repository, threading.Lock())


def _tracking(branch: str) -> str:
    return f"refs/remotes/origin/{branch}"
