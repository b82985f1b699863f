"""A request that came before is answered by a short way: the same bytes get the same answer or refusal as by the long one."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_inference import open_inference_grpc_pb2 as pb
from pushline.engine.litert import load
from pushline.predictor import oip
from pushline.predictor.errors import RequestError
from pushline.predictor.models import Models
from pushline.predictor.predictions import Predictions
from pushline.predictor.repeats import MOST, Repeats
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import Limits

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"
EXAMPLES = 150
Input = pb.ModelInferRequest.InferInputTensor
rows = st.sampled_from([1, 2, 3, 40, 65])
special = st.sampled_from([0.0, -0.0, 1.0, 3e38, 1e-40, float("nan"), float("inf")])


def loaded(program: str, deploy_seq: int) -> Loaded:
    identity = Identity("numbers", f"{deploy_seq:064}", "c" * 40, deploy_seq, "run", f"event {deploy_seq}")
    return Loaded(identity, load([(PROGRAMS / f"{program}.tflite", None)]), "classification", ())


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models(frozenset({"numbers"}))
    models.swap(loaded("double", 1))
    yield models
    models.close()


@pytest.fixture(scope="module")
def subject() -> Iterator[tuple[Predictions, Repeats]]:
    models = Models(frozenset({"numbers"}))
    models.swap(loaded("double", 1))
    predictions = Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    yield predictions, Repeats(predictions)
    models.close()


def a_request(values: list[float], **more: object) -> pb.ModelInferRequest:
    tensor = Input(name="x", datatype="FP32", shape=(len(values) // 4, 4))
    fields: dict[str, object] = {
        "model_name": "numbers",
        "inputs": [tensor],
        "raw_input_contents": [struct.pack(f"<{len(values)}f", *values)],
    }
    return pb.ModelInferRequest(**(fields | more))  # type: ignore[arg-type]  # the test's own fields


def long_way(predictions: Predictions, repeats: Repeats, data: bytes) -> bytes | RequestError:
    try:
        request = pb.ModelInferRequest.FromString(data)
        question = oip.question(request)
        answer = predictions.predict(question)
    except RequestError as error:
        return error
    repeats.note(data, request, question)
    return oip.response(request, answer).SerializeToString(deterministic=True)


def short_way(repeats: Repeats, data: bytes) -> bytes | RequestError | None:
    try:
        found = repeats.answer(data)
    except RequestError as error:
        return error
    return None if found is None else pb.ModelInferResponse.FromString(found[1]).SerializeToString(deterministic=True)


def assert_alike(short: bytes | RequestError | None, long: bytes | RequestError) -> None:
    if short is not None:
        assert (type(short), str(short)) == (type(long), str(long))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[pb.ModelInferRequest, pb.ModelInferRequest]:
    """Two requests that differ in their numbers, for most of them alone."""
    count = 4 * draw(rows)
    more: dict[str, object] = draw(
        st.sampled_from(
            [
                {},
                {"model_version": "1"},
                {"model_version": "2"},
                {"id": "a"},
                {"outputs": [{"name": "output_0"}]},
                {"model_name": ""},
            ]
        )
    )
    one, two = (a_request([draw(special), *range(count - 1)], **more) for _ in range(2))
    return one, two


@settings(max_examples=EXAMPLES, deadline=None)
@given(pairs())
def test_both_ways_give_the_same(
    subject: tuple[Predictions, Repeats], both: tuple[pb.ModelInferRequest, pb.ModelInferRequest]
) -> None:
    predictions, repeats = subject
    for request in both:
        data = request.SerializeToString()
        before = short_way(repeats, data)
        long = long_way(predictions, repeats, data)

        assert_alike(before, long)
        assert_alike(short_way(repeats, data), long)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_both_ways_give_the_same_for_bytes_that_were_changed(subject: tuple[Predictions, Repeats], choose: st.DataObject) -> None:
    predictions, repeats = subject
    data = bytearray(a_request([1, 2, 3, 4]).SerializeToString())
    long_way(predictions, repeats, bytes(data))
    for _ in range(choose.draw(st.integers(0, 3))):
        data[choose.draw(st.integers(0, len(data) - 1))] = choose.draw(st.integers(0, 255))
    short = short_way(repeats, bytes(data))

    if short is not None:
        assert_alike(short, long_way(predictions, repeats, bytes(data)))


def test_a_request_that_came_before_takes_the_short_way(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    long_way(predictions, repeats, a_request([1, 2, 3, 4]).SerializeToString())

    found = repeats.answer(a_request([5, 6, 7, 8]).SerializeToString())

    assert found is not None
    assert struct.unpack("<3f", pb.ModelInferResponse.FromString(found[1]).raw_output_contents[0]) == (10, 12, 14)
    assert repeats.answer(a_request([1] * 8).SerializeToString()) is None


def test_numbers_that_are_not_the_last_in_the_message_take_the_long_way(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, request = Repeats(predictions), a_request([1, 2, 3, 4])
    raw = request.raw_input_contents[0]
    unknown = b"\x7a" + bytes([2 + len(raw)]) + b"\x3a\x10" + raw  # a field that nobody knows, ending like the numbers
    data = request.SerializeToString() + unknown
    long_way(predictions, repeats, data)

    assert repeats.answer(data) is None


def test_a_swap_ends_the_short_way_until_the_new_model_answered(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, data = Repeats(predictions), a_request([1, 2, 3, 4]).SerializeToString()
    long_way(predictions, repeats, data)

    models.swap(loaded("triple", 2))

    assert repeats.answer(data) is None
    long_way(predictions, repeats, data)
    found = repeats.answer(data)
    assert found is not None
    assert found[0].identity.deploy_seq == 2


def test_what_is_kept_is_bounded(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    for number in range(MOST + 10):
        request = a_request([1, 2, 3, 4])
        request.parameters["name"].string_param = f"{number:04}"
        long_way(predictions, repeats, request.SerializeToString())

    assert len(repeats._known) <= MOST
    assert sum(len(places) for places in repeats._places.values()) <= MOST
