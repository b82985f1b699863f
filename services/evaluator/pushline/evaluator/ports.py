"""What the evaluator needs others to do. adapters/ has what does it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import OwnMetric


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """One of a model's serving programs; or model.h5 itself, where `engine` is tensorflow."""

    name: str
    path: Path
    batch: int | None  # None: dynamic
    engine: str = "litert"


@dataclass(frozen=True, slots=True)
class Answers:
    """`together` is what a predictor would answer; `alone` what each program answers by itself, in the order given."""

    together: Mapping[str, Array]
    alone: tuple[Mapping[str, Array], ...]
    load_seconds: float
    run_seconds: float
    peak_memory_bytes: int
    child_seconds: float = 0.0  # from the child's start to its end, its imports included


class ProgramFailed(Exception):
    """The program's own fault: it is refused, crashes, hangs, or takes too much. `reason` is for machines."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


class CannotRun(Exception):
    """The fault of the machine here: nothing is known about the program. Try again later."""


class Cancelled(Exception):
    """The caller asked to stop."""


class Programs(Protocol):
    def run(self, programs: Sequence[ProgramFile], inputs: Mapping[str, Array], cancelled: threading.Event) -> Answers:
        """Run a stranger's programs over every row, where they can harm nothing. Raises ProgramFailed, CannotRun, Cancelled."""
        ...


class OwnMetrics(Protocol):
    def compute(
        self,
        functions: Sequence[str],
        bundle: Path,
        truth: Mapping[str, Array],
        answers: Mapping[str, Array],
        cancelled: threading.Event,
    ) -> tuple[OwnMetric, ...]:
        """Run the repository's functions (python:module:function) out of its files, where they can harm and change nothing.

        One that fails has no number and says why. Raises CannotRun, Cancelled.
        """
        ...
