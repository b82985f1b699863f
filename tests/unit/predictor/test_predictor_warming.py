"""Before it serves, a model answers what the one before it is asked, until it takes no longer than it will."""

from pathlib import Path

import numpy as np

from pushline.engine.engine import Form
from pushline.engine.litert import load
from pushline.predictor.pace import Pace
from pushline.predictor.warming import FEWEST_RUNS, LONGEST_SECONDS, MOST_RUNS, make_steady
from tests.unit.predictor.test_predictor_lanes import Gated

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"


def of(rows: int, columns: int = 2, name: str = "x") -> Form:
    return ((name, np.dtype(np.float32), (rows, columns)),)


def opened() -> Gated:
    engine = Gated()
    engine.gate.set()
    return engine


class Clock:
    """Each look takes as long as a test says."""

    def __init__(self, *seconds: float) -> None:
        self.seconds, self.now, self.looks = seconds, 0.0, 0

    def __call__(self) -> float:
        self.now += self.seconds[min(self.looks, len(self.seconds) - 1)]
        self.looks += 1
        return self.now


def test_it_answers_what_is_asked_now_and_its_pace_is_known() -> None:
    engine, pace = opened(), Pace()

    make_steady(engine, pace, [of(5), of(3)])

    assert sorted(set(engine.batches)) == [1, 5]
    assert all(engine.batches.count(rows) >= FEWEST_RUNS for rows in (1, 5))
    assert pace.seconds_a_row((("x", np.dtype(np.float32), (2,)),)) is not None


def test_of_forms_that_differ_in_rows_alone_the_largest_is_tried_and_of_others_each() -> None:
    engine = opened()

    make_steady(engine, Pace(), [of(7, columns=3), of(2), of(64), of(9)])

    assert sorted(set(engine.batches)) == [1, 7, 64]


def test_it_runs_until_a_run_takes_no_longer_than_the_quickest() -> None:
    slow_at_first = Clock(0.0, 0.0, 0.0, 0.02, 0.0, 0.0, 0.01, 0.0, 0.0, 0.001)
    engine = opened()

    make_steady(engine, Pace(), [], slow_at_first)

    assert FEWEST_RUNS < len(engine.batches) < MOST_RUNS


def test_it_takes_no_longer_than_it_may() -> None:
    engine = opened()

    make_steady(engine, Pace(), [of(2, columns=columns) for columns in range(2, 60)], Clock(LONGEST_SECONDS / 5))

    assert len(engine.batches) < 5


def test_a_form_that_the_new_model_does_not_take_is_passed_over() -> None:
    engine, pace = load([(PROGRAMS / "double.tflite", None)]), Pace()

    make_steady(engine, pace, [of(1, columns=99), of(1, name="other")])

    assert engine.at_once == 1
    (spec,) = engine.signature.inputs
    assert pace.seconds_a_row(((spec.name, np.dtype(spec.dtype), spec.shape[1:]),)) is not None


def test_it_is_ready_for_as_many_at_once_as_it_is_told() -> None:
    engine = load([(PROGRAMS / "double.tflite", None)])

    engine.warm_up(3)

    assert engine.at_once == 3
