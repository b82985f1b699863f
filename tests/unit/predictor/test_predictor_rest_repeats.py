"""A request in JSON that came before is answered by a short way: as by the long one, or not at all."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.predictor import rest_json
from pushline.predictor.errors import RequestError
from pushline.predictor.models import Models
from pushline.predictor.predictions import Predictions
from pushline.predictor.rest_repeats import MOST, Repeats
from pushline.predictor.tensors import Limits
from tests.unit.predictor.test_predictor_repeats import loaded

ODD = st.sampled_from([True, None, "1", [1], 1e300, 2**70, -0.0, 1e-40])
VALUES = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-9, 9) | ODD, min_size=3, max_size=5)


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models(frozenset({"numbers"}))
    models.swap(loaded("double", 1))
    yield models
    models.close()


@pytest.fixture(scope="module")
def subject() -> Iterator[tuple[Predictions, Repeats]]:
    """A body like BODY came before."""
    models = Models(frozenset({"numbers"}))
    models.swap(loaded("double", 1))
    predictions = Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    for nested in (False, True):
        assert long_way(predictions, repeats, a_body([1, 2, 3, 4], nested=nested)) == said(2, 4, 6)
    yield predictions, repeats
    models.close()


def a_body(values: list[Any], *, nested: bool = False, **more: object) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [values] if nested else values}
    return json.dumps({"inputs": [tensor], **more}).encode()


def said(*numbers: float) -> object:
    return [float(number) for number in numbers]


def long_way(predictions: Predictions, repeats: Repeats, body: bytes, version: str = "") -> object:
    asked = rest_json.read("numbers", version, body, None)
    answer = predictions.predict(asked.question)
    repeats.note("numbers", version, body, asked)
    return data_of(rest_json.written(asked, answer))


def short_way(predictions: Predictions, repeats: Repeats, body: bytes, version: str = "") -> object:
    """Give what is answered; None where it is left to the long way."""
    found = repeats.prepare("numbers", version, body)
    if found is None:
        return None
    result = predictions.answer([found[0]])[0]
    return "refused" if isinstance(result, RequestError) else data_of(found[1](result))


def data_of(body: rest_json.Body) -> object:
    return json.loads(body.content)["outputs"][0]["data"]


@given(VALUES, st.booleans())
def test_the_short_way_answers_as_the_long_one_or_leaves_it_to_that(
    subject: tuple[Predictions, Repeats], values: list[Any], nested: bool
) -> None:
    predictions, repeats = subject
    body = a_body(values, nested=nested)
    short = short_way(predictions, repeats, body)
    try:
        expected = long_way(predictions, Repeats(predictions), body)
    except RequestError:
        expected = "refused"

    assert short in (None, expected)


def test_a_body_with_other_numbers_is_known_again(subject: tuple[Predictions, Repeats]) -> None:
    assert short_way(*subject, a_body([-1.5, 20, 3e5, 4])) == said(-3, 40, 6e5)
    assert short_way(*subject, a_body([-1.5, 20, 3e5, 4], nested=True)) == said(-3, 40, 6e5)


@pytest.mark.parametrize(
    "body",
    [
        a_body([1, 2, 3]),
        a_body([1, 2, 3, True]),
        a_body([1, 2, 3, [4]]),
        a_body([1, 2, 3, 4], id="one"),
        a_body([1, 2, 3, 4]).replace(b"4]", b'4], "data": [9, 9, 9, 9]'),
        a_body([1, 2, 3, 4]).replace(b"4]", b'4], "parameters": {"a": [1]'),
        a_body([1, 2, 3, 4])[:-1],
        a_body([1, 2, 3, 4]) + b" ",
    ],
    ids=["fewer", "a truth", "a list", "an id", "a key twice", "parameters", "cut", "longer"],
)
def test_any_other_body_is_left_to_the_long_way(subject: tuple[Predictions, Repeats], body: bytes) -> None:
    assert short_way(*subject, body) is None


def test_after_a_swap_the_new_model_answers(models: Models) -> None:
    predictions = Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    for version in ("", "1"):
        long_way(predictions, repeats, a_body([1, 2, 3, 4]), version)
    models.swap(loaded("triple", 2))

    assert short_way(predictions, repeats, a_body([1, 2, 3, 4])) == said(3, 6, 9)
    assert short_way(predictions, repeats, a_body([1, 2, 3, 4]), "1") is None
    assert models.free_retired() == 1  # nothing holds what was swapped out


def test_what_is_kept_is_bounded(models: Models) -> None:
    predictions = Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    for number in range(MOST + 10):
        long_way(predictions, repeats, a_body([1, 2, 3, 4]).replace(b'{"inputs"', b'{"parameters": {"n": %d}, "inputs"' % number))

    assert 0 < len(repeats._known) <= MOST
