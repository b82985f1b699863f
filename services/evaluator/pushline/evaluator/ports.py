"""What the evaluator needs others to do. adapters/ has what does it."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import OwnMetric
from pushline.objects.manifest import Manifest


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


@dataclass(frozen=True, slots=True)
class Reply:
    """Of the production predictor, over its gRPC door."""

    outputs: Mapping[str, Array]  # in the order of the answer
    digest: str  # whose answer it says this is
    seconds: float  # that the caller waited


class Predictor(Protocol):
    """One that serves one model, at a door that nobody else reaches."""

    def ask(self, inputs: Mapping[str, Array]) -> Reply:
        """Wait until it serves, the first time. Raises ProgramFailed, CannotRun, Cancelled."""
        ...

    @property
    def peak_memory_bytes(self) -> int:
        """Of its processes so far; 0 where the machine does not tell."""
        ...


class Predictors(Protocol):
    def serve(
        self, about: Manifest, programs: Sequence[ProgramFile], cancelled: threading.Event
    ) -> AbstractContextManager[Predictor]:
        """Start one and do not wait for it; at the end of the block it is gone. Raises CannotRun."""
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
