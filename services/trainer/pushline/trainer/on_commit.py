"""The trainer's answer to an open run: what the training came to, or that a newer run took its place."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pushline.line.events import ModelTrained
from pushline.line.ledger import Ledger, Run
from pushline.trainer.ports import Trainer
from pushline.trainer.recipe import CANCELLED, NEWER_COMMIT, Recipe, Task


@dataclass(frozen=True, slots=True)
class OnCommit:
    recipe: Recipe
    trainer: Trainer
    read: Callable[[], AbstractContextManager[Ledger]]

    def __call__(self, task: Task, cancelled: threading.Event) -> ModelTrained | None:
        if task.superseded_by is not None:
            return superseded(task.run, task.superseded_by, NEWER_COMMIT)
        answer = self.trainer.train(task.run, self.recipe.models[task.run.model], cancelled)
        if answer is not None or not cancelled.is_set():
            return answer
        with self.read() as ledger:  # cancelled by a newer run, or because the process stops?
            newer = self.recipe.stopped_for(ledger, task.key)
        return superseded(task.run, newer, CANCELLED) if newer else None


def superseded(run: Run, newer: Run, reason: str) -> ModelTrained:
    """Made of recorded things only: who writes it twice writes the same bytes."""
    which = f"commit {newer.commit.sha[:12]} (generation {newer.generation}, attempt {newer.attempt})"
    when = "while this one was trained" if reason == CANCELLED else "before this one was trained"
    return ModelTrained(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=run.push.id,
        outcome="superseded",
        reason=reason,
        sentence=f"{which} came {when}.",
        digest="",
        manifest_sha256="",
        files=(),
        sandbox="",
    )
