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


class Trainer(Protocol):
    """Makes model files of a commit."""

    def train(self, run: Run, config: ModelConfig, cancelled: threading.Event, /) -> ModelTrained | None:
        """Train, upload, and say what came of it; what went wrong with the run itself is an answer too.

        None only where `cancelled` was set before it ended. Raises Transient for trouble that passes. Blocks as long as it takes.
        """
        ...
