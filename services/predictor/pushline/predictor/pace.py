"""How long a model takes for a row, learnt from its answers: whoever must not wait asks first."""

import time
from collections.abc import Mapping

import numpy as np

from pushline.engine.engine import DYNAMIC, Array, Engine, EngineError

GAIN = 0.2
MOST_FORMS = 256
TRIALS, TRIAL_SECONDS = 5, 0.05


def form_of(inputs: Mapping[str, Array]) -> tuple[object, ...]:
    return tuple([(name, array.dtype, array.shape[1:]) for name, array in inputs.items()])  # a list is quicker than a generator


class Pace:
    """Seconds a row, by the form of a request. Safe to use from many threads: each entry is one number."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[object, float] = {}

    def note(self, form: object, rows: int, seconds: float) -> None:
        """A run that took much longer than those before counts as twice as long: mostly something else had the processor."""
        took, known = seconds / rows, self._seconds.get(form)
        if known is None:
            if len(self._seconds) >= MOST_FORMS:
                self._seconds = {}
            self._seconds[form] = took
        else:
            self._seconds[form] = known + GAIN * (min(took, 2 * known) - known)

    def seconds_a_row(self, form: object) -> float | None:
        """None where such a request was never answered."""
        return self._seconds.get(form)


def tried(engine: Engine) -> Pace:
    """Learn it before anything is answered: else the first calls after a swap would wait for their turn in the model's lane."""
    pace, specs = Pace(), engine.signature.inputs
    if engine.waits or any(DYNAMIC in spec.shape[1:] for spec in specs):
        return pace
    row = {spec.name: np.zeros((1, *spec.shape[1:]), spec.dtype) for spec in specs}
    try:
        pace.note(form_of(row), 1, _shortest(engine, row))
    except (EngineError, MemoryError):
        return Pace()
    return pace


def _shortest(engine: Engine, row: Mapping[str, Array]) -> float:
    """Of a few runs: another thread may have had the processor in some."""
    taken: list[float] = []
    while len(taken) < TRIALS and sum(taken) < TRIAL_SECONDS:
        began = time.perf_counter()
        engine.run(row)
        taken.append(time.perf_counter() - began)
    return min(taken)
