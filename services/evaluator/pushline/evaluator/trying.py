"""Asks the production predictor about the candidate: golden requests first, then what they cost beside the live model's."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pushline.evaluator import trial
from pushline.evaluator.arrays import Array
from pushline.evaluator.ports import Predictor, Predictors, ProgramFailed, ProgramFile
from pushline.objects.manifest import Manifest

MOST_TIMED, LEAST_TIMED = 100, 3  # requests of each size and model
TIMED_SECONDS = 1.0  # for each size, all models together

Arrays = Mapping[str, Array]


class Served(NamedTuple):
    about: Manifest
    programs: Sequence[ProgramFile]


class Agreed(NamedTuple):
    requests: int
    rows: int
    difference: float


@dataclass(slots=True)
class Timed:
    """One model in its predictor, and the seconds that its answers took."""

    predictor: Predictor
    served: Served
    required: bool  # where it fails, so does the trial; else there are no figures of it
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    failed: bool = False

    def ask(self, inputs: Arrays) -> float:
        """Give the seconds; NaN of what failed. Raises ProgramFailed, CannotRun, Cancelled."""
        try:
            return np.nan if self.failed else self.predictor.ask(inputs).seconds
        except ProgramFailed:
            if self.required:
                raise
            self.failed = True
            return np.nan

    @property
    def cost(self) -> dict[str, float]:
        """In the names of gates; what could not be measured is missing."""
        if self.failed or not self.one:
            return {}
        memory = self.predictor.peak_memory_bytes
        measured = {"peak_memory_bytes": float(memory)} if memory else {}
        return trial.latencies(self.one, self.many) | {"program_bytes": trial.program_bytes(self.served.programs)} | measured


def costs_of(served: Sequence[Timed]) -> dict[str, tuple[float | None, float | None]]:
    """Give each figure of the candidate, and that of the live model where there is one."""
    own, live = served[0].cost, served[1].cost if len(served) > 1 else {}
    return {name: (own.get(name), live.get(name)) for name in (*own, *(name for name in live if name not in own))}


@contextmanager
def started(predictors: Predictors, own: Served, live: Served | None, cancelled: threading.Event) -> Iterator[list[Timed]]:
    """Start a predictor of each, the candidate's first, and do not wait for them. Raises CannotRun."""
    with ExitStack() as stack:
        served = [own] if live is None else [own, live]
        yield [
            Timed(stack.enter_context(predictors.serve(each.about, each.programs, cancelled)), each, required=each is own)
            for each in served
        ]


def ask_golden(candidate: Timed, sample: Arrays, answers: Arrays, tolerance: float) -> Agreed:
    """`answers` are the engine's to the sample. Raises NotJudgeable, ProgramFailed, CannotRun, Cancelled."""
    requests = trial.golden_requests(sample)
    difference = 0.0
    for rows in requests:
        reply = candidate.predictor.ask({name: np.ascontiguousarray(array[rows]) for name, array in sample.items()})
        trial.check_identity(reply.digest, candidate.served.about.digest)
        engine = {name: array[rows] for name, array in answers.items()}
        difference = max(difference, trial.largest_difference(reply.outputs, engine, rows, tolerance))
    return Agreed(len(requests), sum(rows.stop - rows.start for rows in requests), difference)


def take_times(models: Sequence[tuple[Timed, Arrays]]) -> None:
    """Ask the models in turns, each with the sample as it takes it, so that whatever else the machine does meets all of them.

    Raises ProgramFailed, CannotRun, Cancelled.
    """
    for rows in (trial.ONE_ROW, trial.MANY_ROWS):
        asked = [
            (each, trial.timed_request(sample, rows), each.one if rows == trial.ONE_ROW else each.many) for each, sample in models
        ]
        known = [(each, request, seconds) for each, request, seconds in asked if request is not None]
        for each, request, _ in known:
            each.ask(request)  # the first one of its form is slower
        until = time.monotonic() + TIMED_SECONDS
        for count in range(MOST_TIMED):
            if count >= LEAST_TIMED and time.monotonic() >= until:
                break
            for each, request, seconds in known:
                seconds.append(each.ask(request))
