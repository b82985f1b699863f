"""Lets an engine that is about to serve answer until it takes no longer than it will, with inputs like those of now.

So the first request after a swap is as quick as those before it, and it is known at once how quick that is (pace.py).
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pushline.engine.engine import TEXT, Array, BadInput, BadProgram, Engine, Form
from pushline.engine.inputs import blank
from pushline.predictor.pace import Pace

LONGEST_SECONDS = 0.5  # for all forms together
MOST_FORMS = 16
FEWEST_RUNS, MOST_RUNS = 3, 30
STEADY = 1.2  # the last two runs against the quickest one
Clock = Callable[[], float]


def make_steady(engine: Engine, pace: Pace, forms: Sequence[Form], clock: Clock | None = None) -> None:
    """`forms` are those that are asked for now, the newest last; one row is tried in any case. Raises EngineUnavailable.

    Of those that differ in the number of rows alone the largest is tried: to take another number costs microseconds. Where the
    engine runs in this thread its own time counts: beside requests a run takes as long as they let it, and would never be steady.
    """
    clock = clock or (time.perf_counter if engine.waits else time.thread_time)
    until = clock() + LONGEST_SECONDS
    for inputs in (_of_one_row(engine), *(_zeros(form) for form in _worth_it(forms))):
        if clock() >= until:
            return
        try:
            seconds = _steady_seconds(engine, inputs, until, clock)
        except (BadInput, BadProgram):  # what the model before took, this one does not: nobody will be answered so
            continue
        rows = len(next(iter(inputs.values())))
        pace.note(tuple((name, value.dtype, value.shape[1:]) for name, value in inputs.items()), rows, seconds)


def _worth_it(forms: Sequence[Form]) -> list[Form]:
    """The newest first."""
    largest: dict[object, Form] = {}
    for form in reversed(forms):
        kind = tuple((name, dtype, shape[1:]) for name, dtype, shape in form)
        if kind not in largest or largest[kind][0][2][0] < form[0][2][0]:
            largest[kind] = form
    return list(largest.values())[:MOST_FORMS]


def _steady_seconds(engine: Engine, inputs: Mapping[str, Array], until: float, clock: Clock) -> float:
    """Give what a run takes."""
    taken: list[float] = []
    while len(taken) < MOST_RUNS and not _is_steady(taken):
        began = clock()
        engine.run(inputs)
        taken.append(clock() - began)
        if clock() >= until:
            break
    return taken[-1]


def _is_steady(taken: Sequence[float]) -> bool:
    return len(taken) >= FEWEST_RUNS and max(taken[-2:]) <= STEADY * min(taken)


def _of_one_row(engine: Engine) -> dict[str, Array]:
    return {spec.name: blank(spec, 1) for spec in engine.signature.inputs}


def _zeros(form: Form) -> dict[str, Array]:
    return {name: np.full(shape, b"", dtype) if dtype == TEXT else np.zeros(shape, dtype) for name, dtype, shape in form}
