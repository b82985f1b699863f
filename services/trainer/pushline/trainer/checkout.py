"""The port to the repositories: what a branch points to, what a commit says, and exactly its files in a plain folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pushline.runtime.git_command import ForgeUnavailable

__all__ = ["Checkout", "CheckoutLimits", "CheckoutRefused", "CommitInfo", "Forge", "ForgeUnavailable"]
MiB = 1024 * 1024


class CheckoutRefused(Exception):
    """The commit cannot be checked out, now or later: an outcome of the run."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckoutLimits:
    max_bytes: int = 1024 * MiB
    max_files: int = 20_000


@dataclass(frozen=True, slots=True)
class Checkout:
    folder: Path
    files: int
    size: int
    notes: tuple[str, ...]  # what was left out, one sentence each


class Forge(Protocol):
    def head(self, repository: str, branch: str, /) -> str | None:
        """Ask the repository itself what the branch points to; None where there is no such branch. Raises ForgeUnavailable."""
        ...

    def describe(self, repository: str, branch: str, sha: str, /) -> CommitInfo:
        """Raises ForgeUnavailable, CheckoutRefused (the branch does not hold this commit)."""
        ...

    def between(self, repository: str, branch: str, since: str, head: str, most: int, /) -> tuple[CommitInfo, ...]:
        """Give the first-parent commits after `since` up to `head`, the oldest `most` of them, oldest first.

        None where `since` is no ancestor of `head`. Raises ForgeUnavailable, CheckoutRefused (the branch does not hold `head`).
        """
        ...

    def on_branch(self, repository: str, branch: str, sha: str, /) -> bool:
        """Say whether the branch, as it stands now, holds the commit. Raises ForgeUnavailable."""
        ...

    def checkout(self, repository: str, branch: str, sha: str, folder: Path, limits: CheckoutLimits, /) -> Checkout:
        """Write exactly the files of the commit into `folder` (made; must not exist): regular files only, nothing is run.

        Raises ForgeUnavailable, CheckoutRefused.
        """
        ...
