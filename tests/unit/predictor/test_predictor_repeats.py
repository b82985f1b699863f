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
from pushline.predictor.predictions import Answer, Predictions
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


def answered(predictions: Predictions, repeats: Repeats, data: bytes) -> tuple[Answer | RequestError, bytes] | None:
    found = repeats.prepare(data)
    if found is None:
        return None
    job, reply = found
    result = predictions.answer([job])[0]
    return (result, b"") if isinstance(result, RequestError) else (result, reply(result))


def short_way(predictions: Predictions, repeats: Repeats, data: bytes) -> bytes | RequestError | None:
    found = answered(predictions, repeats, data)
    if found is None or isinstance(found[0], RequestError):
        return found and found[0]  # type: ignore[return-value]  # an answer is no refusal
    return pb.ModelInferResponse.FromString(found[1]).SerializeToString(deterministic=True)


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
        before = short_way(predictions, repeats, data)
        long = long_way(predictions, repeats, data)

        assert_alike(before, long)
        assert_alike(short_way(predictions, repeats, data), long)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_both_ways_give_the_same_for_bytes_that_were_changed(subject: tuple[Predictions, Repeats], choose: st.DataObject) -> None:
    predictions, repeats = subject
    data = bytearray(a_request([1, 2, 3, 4]).SerializeToString())
    long_way(predictions, repeats, bytes(data))
    for _ in range(choose.draw(st.integers(0, 3))):
        data[choose.draw(st.integers(0, len(data) - 1))] = choose.draw(st.integers(0, 255))
    short = short_way(predictions, repeats, bytes(data))

    if short is not None:
        assert_alike(short, long_way(predictions, repeats, bytes(data)))


def test_a_request_that_came_before_takes_the_short_way(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    long_way(predictions, repeats, a_request([1, 2, 3, 4]).SerializeToString())

    found = answered(predictions, repeats, a_request([5, 6, 7, 8]).SerializeToString())

    assert found is not None
    assert struct.unpack("<3f", pb.ModelInferResponse.FromString(found[1]).raw_output_contents[0]) == (10, 12, 14)
    assert repeats.prepare(a_request([1] * 8).SerializeToString()) is None


def test_numbers_that_are_not_the_last_in_the_message_take_the_long_way(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, request = Repeats(predictions), a_request([1, 2, 3, 4])
    raw = request.raw_input_contents[0]
    unknown = b"\x7a" + bytes([2 + len(raw)]) + b"\x3a\x10" + raw  # a field that nobody knows, ending like the numbers
    data = request.SerializeToString() + unknown
    long_way(predictions, repeats, data)

    assert repeats.prepare(data) is None


def test_bytes_behind_the_numbers_take_the_long_way(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    short, long = (a_request([1.0] * count).SerializeToString() for count in (4, 8))
    for data in (short, long):
        long_way(predictions, repeats, data)

    assert repeats.prepare(short + bytes(len(long) - len(short))) is None


def test_after_a_swap_the_short_way_leads_to_the_new_model(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, data = Repeats(predictions), a_request([1, 2, 3, 4]).SerializeToString()
    long_way(predictions, repeats, data)
    before = answered(predictions, repeats, data)

    models.swap(loaded("triple", 2))

    after = answered(predictions, repeats, data)
    assert before is not None
    assert after is not None
    said = [pb.ModelInferResponse.FromString(found[1]) for found in (before, after)]
    assert [(each.model_version, struct.unpack("<3f", each.raw_output_contents[0])) for each in said] == [
        ("1", (2, 4, 6)),
        ("2", (3, 6, 9)),
    ]


def test_a_request_for_a_version_takes_the_long_way_once_another_is_live(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, data = Repeats(predictions), a_request([1, 2, 3, 4], model_version="1").SerializeToString()
    long_way(predictions, repeats, data)
    assert answered(predictions, repeats, data) is not None

    models.swap(loaded("triple", 2))

    assert repeats.prepare(data) is None


def test_a_swapped_out_model_is_freed_though_its_requests_are_known(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats, data = Repeats(predictions), a_request([1, 2, 3, 4]).SerializeToString()
    long_way(predictions, repeats, data)
    answered(predictions, repeats, data)

    models.swap(loaded("triple", 2))

    assert models.free_retired() == 1


def test_what_is_kept_is_bounded(models: Models) -> None:
    predictions = Predictions(models, Limits(64, refuse_non_finite=True))
    repeats = Repeats(predictions)
    for number in range(MOST + 10):
        request = a_request([1, 2, 3, 4])
        request.parameters["name"].string_param = f"{number:04}"
        long_way(predictions, repeats, request.SerializeToString())

    assert len(repeats._known) <= MOST
    assert sum(len(places) for places in repeats._places.values()) <= MOST
