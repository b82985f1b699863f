"""A model's own queue: what waits and is alike is answered together, what nobody waits for is left out, and too much is refused."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from pushline.engine.engine import Accepts, Array, BadProgram, Form, Signature, TensorSpec
from pushline.predictor.errors import ModelFailed, Overloaded, RequestError
from pushline.predictor.lanes import Lanes, Ticket
from pushline.predictor.model_limits import ModelLimits
from pushline.predictor.models import Models
from pushline.predictor.predictions import Answer, Predictions, Question
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import Claim, Limits
from tests.waiting import until

SECONDS = 20.0
MOST = 8
POISON, DEFECT = 13.0, 14.0


class Gated:
    """An engine that doubles, notes its batches, and waits at a gate; a poisoned row makes the whole run fail."""

    kind, problem, waits, at_once = "litert", "", False, 1
    forms: tuple[Form, ...] = ()
    signature = Signature((TensorSpec("x", "float32", (-1, 2)),), (TensorSpec("y", "float32", (-1, 2)),))

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.running = 0
        self.gate, self.entered = threading.Event(), threading.Event()

    def run(self, inputs: Mapping[str, Array], accepts: Accepts | None = None) -> dict[str, Array]:  # noqa: ARG002 - the port's
        x = inputs["x"]
        self.running += 1
        self.entered.set()
        assert self.gate.wait(SECONDS)
        self.running -= 1
        if (x == np.float32(DEFECT)).any():
            raise ZeroDivisionError
        self.batches.append(len(x))
        if (x == np.float32(POISON)).any():
            raise BadProgram("poisoned")
        return {"y": np.add(x, x)}

    def warm_up(self, at_once: int = 1) -> None: ...

    def close(self) -> None: ...


@dataclass
class Told:
    """What became of the tickets."""

    results: dict[int, Answer | RequestError | None] = field(default_factory=dict)

    def ticket(self, predictions: Predictions, number: int, rows: int = 1, value: float | None = None, model: str = "a") -> Ticket:
        numbers = np.full((rows, 2), number if value is None else value, "<f4")
        question = Question(model, "", [Claim("x", "float32", (rows, 2), numbers.tobytes())], ())
        return Ticket(predictions.prepare(question), lambda: number >= 0, lambda result: self.results.update({number: result}))


@pytest.fixture
def engines() -> Iterator[dict[str, Gated]]:
    engines = {"a": Gated(), "b": Gated()}
    yield engines
    for engine in engines.values():
        engine.gate.set()


@pytest.fixture
def predictions(engines: dict[str, Gated]) -> Predictions:
    models = Models(frozenset(engines))
    for name, engine in engines.items():
        models.swap(Loaded(Identity(name, "d", "c", 1, "run", f"event {name}"), engine, "regression", ()))
    return Predictions(models, Limits(64, refuse_non_finite=True))


def test_what_waits_is_answered_together_and_each_gets_its_own(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=1, most=MOST, max_batch=4), Told()
    lanes.submit(told.ticket(predictions, 0))
    assert engines["a"].entered.wait(SECONDS)
    for number in range(1, 7):
        lanes.submit(told.ticket(predictions, number))

    queues = lanes.queues()
    engines["a"].gate.set()

    until(lambda: len(told.results) == 7, SECONDS, "all answers")
    assert queues == {"a": (7, 6), "b": (0, 0)}
    assert engines["a"].batches == [1, 4, 2]
    answers = {number: result.outputs["y"].tolist() for number, result in told.results.items() if isinstance(result, Answer)}
    assert answers == {number: [[2.0 * number] * 2] for number in range(7)}


def test_one_bad_question_does_not_cost_the_others_their_answer(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=1, most=MOST, max_batch=4), Told()
    lanes.submit(told.ticket(predictions, 0))
    assert engines["a"].entered.wait(SECONDS)
    for number in range(1, 4):
        lanes.submit(told.ticket(predictions, number, value=POISON if number == 2 else None))

    engines["a"].gate.set()

    until(lambda: len(told.results) == 4, SECONDS, "all answers")
    assert {number: type(result) for number, result in told.results.items()} == {0: Answer, 1: Answer, 2: ModelFailed, 3: Answer}


def test_questions_beyond_the_most_are_refused_and_hold_nothing(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=2, most=MOST, max_batch=4), Told()
    for number in range(MOST):
        lanes.submit(told.ticket(predictions, number))

    with pytest.raises(Overloaded):
        lanes.submit(told.ticket(predictions, 99))

    engines["a"].gate.set()
    until(lambda: len(told.results) == MOST and lanes.inside == 0, SECONDS, "all answers")
    predictions.models.swap(Loaded(Identity("a", "d", "c", 2, "run", "event 2"), Gated(), "regression", ()))
    assert predictions.models.free_retired() == 1


def test_a_model_with_limits_of_its_own_keeps_to_them_and_the_others_to_those_of_all(
    engines: dict[str, Gated], predictions: Predictions
) -> None:
    own = {"a": ModelLimits(in_flight=4, threads=1, batch=2)}
    lanes, told = Lanes(predictions, threads=2, most=MOST, max_batch=4, own=own), Told()
    lanes.submit(told.ticket(predictions, 0, model="a"))
    assert engines["a"].entered.wait(SECONDS)
    for number in range(1, 4):
        lanes.submit(told.ticket(predictions, number, model="a"))
    with pytest.raises(Overloaded):
        lanes.submit(told.ticket(predictions, 98, model="a"))
    for number in range(50, 50 + MOST):
        lanes.submit(told.ticket(predictions, number, model="b"))

    for engine in engines.values():
        engine.gate.set()

    until(lambda: len(told.results) == 4 + MOST, SECONDS, "all answers")
    assert engines["a"].batches == [1, 2, 1]
    assert (lanes.max_batch("a"), lanes.max_batch("b")) == (2, 4)


def test_what_nobody_waits_for_is_not_worked_on(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=1, most=MOST, max_batch=4), Told()
    lanes.submit(told.ticket(predictions, 0))
    assert engines["a"].entered.wait(SECONDS)
    lanes.submit(told.ticket(predictions, -1))
    lanes.submit(told.ticket(predictions, 2))

    engines["a"].gate.set()

    until(lambda: len(told.results) == 3, SECONDS, "all told")
    assert told.results[-1] is None
    assert engines["a"].batches == [1, 1]


def test_a_model_that_hangs_delays_no_other(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=2, most=MOST, max_batch=4), Told()
    engines["b"].gate.set()
    for number in range(MOST):
        lanes.submit(told.ticket(predictions, number, model="a"))

    lanes.submit(told.ticket(predictions, 50, model="b"))

    until(lambda: 50 in told.results, SECONDS, "the other model's answer")
    assert list(told.results) == [50]


def test_questions_that_come_while_a_thread_wakes_up_get_threads_of_their_own(
    engines: dict[str, Gated], predictions: Predictions
) -> None:
    lanes, told = Lanes(predictions, threads=2, most=MOST, max_batch=1), Told()
    engines["b"].gate.set()
    lanes.submit(told.ticket(predictions, 0, model="b"))
    until(lambda: lanes.inside == 0, SECONDS, "a thread that waits for work")
    engines["b"].gate.clear()

    lanes.submit(told.ticket(predictions, 1, model="b"))
    lanes.submit(told.ticket(predictions, 2, model="b"))

    until(lambda: engines["b"].running == 2, SECONDS, "two runs at once")
    engines["b"].gate.set()
    until(lambda: len(told.results) == 3, SECONDS, "all answers")


def test_a_defect_of_an_engine_costs_its_question_the_answer_and_no_thread(
    engines: dict[str, Gated], predictions: Predictions
) -> None:
    lanes, told = Lanes(predictions, threads=1, most=MOST, max_batch=1), Told()
    engines["a"].gate.set()
    lanes.submit(told.ticket(predictions, 0, value=DEFECT))
    lanes.submit(told.ticket(predictions, 1))

    until(lambda: len(told.results) == 2, SECONDS, "both told")
    assert {number: type(result) for number, result in told.results.items()} == {0: ModelFailed, 1: Answer}


def test_forms_that_differ_are_not_joined(engines: dict[str, Gated], predictions: Predictions) -> None:
    lanes, told = Lanes(predictions, threads=1, most=MOST, max_batch=8), Told()
    lanes.submit(told.ticket(predictions, 0))
    assert engines["a"].entered.wait(SECONDS)
    first = told.ticket(predictions, 1)
    predictions.models.swap(Loaded(Identity("a", "d", "c", 2, "run", "event 2"), engines["b"], "regression", ()))
    lanes.submit(first)
    lanes.submit(told.ticket(predictions, 2, rows=3))

    engines["a"].gate.set()
    engines["b"].gate.set()

    until(lambda: len(told.results) == 3, SECONDS, "all answers")
    assert (engines["a"].batches, engines["b"].batches) == ([1, 1], [3])
    seqs = {number: result.identity.deploy_seq for number, result in told.results.items() if isinstance(result, Answer)}
    assert seqs == {0: 1, 1: 1, 2: 2}
