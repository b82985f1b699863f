"""What the trainer's doors and decisions need from the rest. Adapters need not import this; mypy holds them against it."""

import threading
from typing import Protocol

from pushline.line.events import ModelTrained
from pushline.line.ledger import Run
from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.checkout import CommitInfo


class Heads(Protocol):
    """The part of a Forge that a look needs."""

    def head(self, repository: str, branch: str, /) -> str | None:
        """Ask the repository itself what the branch points to; None where there is no such branch. Raises ForgeUnavailable."""
        ...

    def describe(self, repository: str, branch: str, sha: str, /) -> CommitInfo:
        """Raises ForgeUnavailable, CheckoutRefused (the branch does not hold this commit any more)."""
        ...

    def between(self, repository: str, branch: str, since: str, head: str, most: int, /) -> tuple[CommitInfo, ...]:
        """Give the first-parent commits after `since` up to `head`, the oldest `most` of them, oldest first.

        None where `since` is no ancestor of `head`. Raises ForgeUnavailable, CheckoutRefused.
        """
        ...


class Trainer(Protocol):
    """Makes model files of a commit."""

    def train(self, run: Run, config: ModelConfig, cancelled: threading.Event, /) -> ModelTrained | None:
        """Train, upload, and say what came of it; what went wrong with the run itself is an answer too.

        None only where `cancelled` was set before it ended. Raises Transient for trouble that passes. Blocks as long as it takes.
        """
        ...
