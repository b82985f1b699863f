"""TensorFlow Serving's messages to questions and back: every dtype in either form, filling up, and any message whatever."""

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.wrappers_pb2 import Int64Value
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from pushline.engine.engine import Signature, TensorSpec
from pushline.engine.litert import load
from pushline.predictor import tfserving
from pushline.predictor.errors import BadRequest, ModelFailed, RequestError, TooLarge
from pushline.predictor.predictions import Answer, Description, Predictions
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import NUMERIC, Limits, bind
from pushline.predictor.tfserving import KINDS, Filling, question
from pushline.tfserving.v1 import tfserving_pb2 as pb

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"
LIMITS = Limits(max_rows=64, refuse_non_finite=True)
IDENTITY = Identity("numbers", "d" * 64, "c" * 40, 3, "run", "event")
MOST_BYTES = 1 << 20
some_arrays = st.sampled_from(sorted(NUMERIC)).flatmap(
    lambda dtype: st_np.arrays(
        dtype,
        st_np.array_shapes(max_dims=4, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
    )
)


def a_shape(*sizes: int) -> pb.TensorShapeProto:
    return pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in sizes])


def a_tensor(*sizes: int, dtype: pb.DataType.ValueType = pb.DT_FLOAT, **numbers: Any) -> pb.TensorProto:
    return pb.TensorProto(dtype=dtype, tensor_shape=a_shape(*sizes), **numbers)


def a_request(model: str = "numbers", **inputs: pb.TensorProto) -> pb.PredictRequest:
    return pb.PredictRequest(model_spec=pb.ModelSpec(name=model), inputs=inputs)


def filling() -> Filling:
    return Filling(LIMITS.max_rows, MOST_BYTES, lambda name, _shape: name != "nobody")


def array_of(tensor: pb.TensorProto, dtype: str = "float32") -> Any:
    """What a model that takes this dtype and any sizes is given."""
    anything = TensorSpec("x", dtype, (-1,) * len(tensor.tensor_shape.dim))
    return bind(question(a_request(x=tensor), filling()).inputs, [anything], LIMITS)["x"]


def an_answer(**outputs: Any) -> Answer:
    engine = load([(PROGRAMS / "double.tflite", None)])
    return Answer(Loaded(IDENTITY, engine, "regression", ()), False, outputs, next(iter(outputs.values())))


@settings(deadline=None)
@given(some_arrays)
def test_every_array_goes_in_by_either_form_and_comes_out_as_it_was(array: Any) -> None:
    dtype = array.dtype.name
    raw = a_tensor(*array.shape, dtype=KINDS[dtype].code, tensor_content=array.astype(array.dtype.newbyteorder("<")).tobytes())
    typed = tfserving.response(an_answer(y=array)).outputs["y"]

    for tensor in (raw, typed):
        seen = array_of(tensor, dtype)
        assert (seen.dtype, seen.shape, seen.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("dtype", sorted(NUMERIC))
def test_the_last_value_repeats_to_fill_the_shape_in_every_dtype(dtype: str) -> None:
    kind = KINDS[dtype]
    one_two = np.array([0, 1], dtype).view(kind.bits).tolist()

    seen = array_of(a_tensor(2, 3, dtype=kind.code, **{kind.field: one_two}), dtype)

    assert seen.tolist() == np.array([[0, 1, 1], [1, 1, 1]], dtype).tolist()


def test_no_values_at_all_are_zeros() -> None:
    assert array_of(a_tensor(2, 2)).tolist() == [[0, 0], [0, 0]]


def test_halves_are_bits_in_an_integer() -> None:
    answer = tfserving.response(an_answer(y=np.array([1.0, -2.0], np.float16))).outputs["y"]

    assert (answer.dtype, list(answer.half_val)) == (pb.DT_HALF, [0x3C00, 0xC000])
    assert array_of(answer, "float16").tolist() == [1.0, -2.0]


BAD_TENSORS = [
    pytest.param(a_tensor(2, float_val=[1, 2, 3]), "inputs.x.float_val", id="more values than the shape has"),
    pytest.param(a_tensor(2, double_val=[1, 2]), "inputs.x.double_val", id="values of another type"),
    pytest.param(a_tensor(1, float_val=[1], tensor_content=b"\0" * 4), "inputs.x.float_val", id="values in two forms"),
    pytest.param(a_tensor(2, dtype=pb.DT_INT8, int_val=[1, 300]), "inputs.x.int_val", id="a number that does not fit"),
    pytest.param(a_tensor(1, dtype=pb.DT_HALF, half_val=[0x13C00]), "inputs.x.half_val", id="more bits than a half has"),
    pytest.param(a_tensor(1, dtype=pb.DT_BOOL, tensor_content=b"\2"), "inputs.x.contents", id="a bool that is 2"),
    pytest.param(a_tensor(2, tensor_content=b"\0" * 7), "inputs.x.contents", id="bytes that do not fit"),
    pytest.param(a_tensor(-1, float_val=[1]), "inputs.x.shape", id="a negative size"),
    pytest.param(a_tensor(0), "inputs.x.shape", id="no rows"),
    pytest.param(a_tensor(*[1] * 255, float_val=[1]), "inputs.x.tensor_shape", id="dimensions without end"),
    pytest.param(
        pb.TensorProto(dtype=pb.DT_FLOAT, tensor_shape=pb.TensorShapeProto(unknown_rank=True)),
        "inputs.x.tensor_shape",
        id="an unknown rank",
    ),
    pytest.param(a_tensor(1, dtype=pb.DT_STRING, tensor_content=b"\1a"), "inputs.x.tensor_content", id="packed texts"),
    pytest.param(a_tensor(2, dtype=pb.DT_STRING, string_val=[b"a"]), "inputs.x.contents", id="too few texts"),
    pytest.param(a_tensor(1, dtype=pb.DT_STRING, string_val=[b"a"], int_val=[1]), "inputs.x.int_val", id="texts and numbers"),
    pytest.param(a_tensor(1, dtype=pb.DT_INVALID), "inputs.x.datatype", id="no dtype"),
    pytest.param(a_tensor(1, dtype=pb.DataType.ValueType(4711)), "inputs.x.datatype", id="a dtype that nobody knows"),
    pytest.param(a_tensor(1, float_val=[math.nan]), "inputs.x.contents", id="NaN"),
]


@pytest.mark.parametrize(("tensor", "field"), BAD_TENSORS)
def test_a_bad_tensor_is_refused_naming_the_field(tensor: pb.TensorProto, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        array_of(tensor, DTYPE_OF.get(tensor.dtype, "float32"))

    assert caught.value.field == field


DTYPE_OF = {kind.code: dtype for dtype, kind in KINDS.items()}


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((1, 2**20), id="many bytes"),
        pytest.param((65, 1), id="many rows"),
        pytest.param((2**62, 2**62), id="an overflowing product"),
        pytest.param((2**62,) * 254, id="a product of thousands of digits"),
    ],
)
def test_what_is_claimed_beyond_the_limits_is_refused_before_there_is_room_for_it(sizes: tuple[int, ...]) -> None:
    request = a_request(x=a_tensor(*sizes, float_val=[1]))

    tracemalloc.start()
    with pytest.raises(TooLarge, match=r"inputs\.x\.tensor_shape"):
        question(request, filling())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 200_000


def test_what_all_inputs_claim_together_is_bounded() -> None:
    each = a_tensor(1, MOST_BYTES // 8, float_val=[1])  # half of what may be filled in

    question(a_request(a=each, b=each), filling())
    with pytest.raises(TooLarge):
        question(a_request(a=each, b=each, c=each), filling())


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        pytest.param(pb.PredictRequest(), "model_spec", id="no model_spec"),
        pytest.param(pb.PredictRequest(model_spec=pb.ModelSpec(version_label="new")), "model_spec.version_label", id="a label"),
        pytest.param(pb.PredictRequest(model_spec=pb.ModelSpec(signature_name="z")), "model_spec.signature_name", id="a signature"),
    ],
)
def test_what_is_not_supported_is_refused_naming_the_field(request_: pb.PredictRequest, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        question(request_, filling())

    assert caught.value.field == field


def test_a_version_of_zero_is_a_version() -> None:
    spec = pb.ModelSpec(name="numbers", version=Int64Value(value=0), signature_name="serving_default")

    assert tfserving.asked(spec, named=True) == ("numbers", "0")


def test_an_answer_says_model_version_and_signature() -> None:
    spec = tfserving.response(an_answer(y=np.zeros((1, 2), np.float32))).model_spec

    assert (spec.name, spec.version.value, spec.signature_name) == ("numbers", 3, "serving_default")


def test_a_model_that_cannot_answer_now_is_not_available() -> None:
    def told(problem: str) -> pb.ModelVersionStatus:
        signature = Signature((), ())
        (one,) = tfserving.status(
            Description(IDENTITY, False, signature, "regression", (), "tensorflow", problem)
        ).model_version_status
        return one

    well, away = told(""), told("its process is started again")

    assert (well.version, well.state, well.status.error_code) == (3, pb.ModelVersionStatus.AVAILABLE, pb.OK)
    assert (away.state, away.status.error_code) == (pb.ModelVersionStatus.LOADING, pb.UNAVAILABLE)
    assert away.status.error_message == "its process is started again"


names = st.sampled_from(["", "x", "tokens", "scale", "z", "ß\U0001f600", "x" * 300])
sizes = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 4, 5, 65, 65537, 2**31, 2**62, 2**63 - 1])
shapes = st.one_of(
    st.sampled_from([(1, 4), (2, 4), (1, 2), (1, 1)]), st.lists(sizes, max_size=5), st.just([2] * 300), st.just([2**62] * 200)
).map(lambda sizes: a_shape(*sizes))
bits = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5)
tensors = st.builds(
    pb.TensorProto,
    dtype=st.one_of(st.just(pb.DT_FLOAT), st.just(pb.DT_INT32), st.sampled_from(pb.DataType.values()), st.integers(-5, 200)),
    tensor_shape=st.one_of(shapes, st.just(pb.TensorShapeProto(unknown_rank=True))),
    tensor_content=st.one_of(st.just(b""), st.binary(max_size=20), st.just(b"\0" * 16)),
    float_val=st.one_of(st.just([]), st.lists(st.floats(width=32), max_size=5)),
    int_val=st.one_of(st.just([]), bits),
    half_val=st.one_of(st.just([]), st.just([]), bits),
    string_val=st.one_of(st.just([]), st.just([]), st.just([b"a"])),
)
good = st.builds(lambda row: a_tensor(1, 4, float_val=row), st.lists(st.floats(-9, 9, width=32), max_size=4))
requests = st.builds(
    pb.PredictRequest,
    model_spec=st.builds(
        pb.ModelSpec,
        name=st.sampled_from(["numbers", "numbers", "mixed", "", "other"]),
        version=st.one_of(st.none(), st.none(), st.builds(Int64Value, value=st.sampled_from([3, 0, -1, 2**63 - 1]))),
        signature_name=st.sampled_from(["", "", "serving_default", "z"]),
    ),
    inputs=st.one_of(st.fixed_dictionaries({"x": good}), st.dictionaries(names, tensors, max_size=3)),
    output_filter=st.one_of(st.just([]), st.lists(st.sampled_from(["output_0", "product", "z"]), max_size=2)),
)


def answered(predictions: Predictions, message: pb.PredictRequest) -> Answer | RequestError:
    try:
        return predictions.predict(question(message, filling()))
    except RequestError as refused:
        return refused


@settings(max_examples=400, deadline=None)
@given(requests)
def test_any_message_gets_an_answer_or_a_refusal(predictions: Predictions, message: pb.PredictRequest) -> None:
    came = answered(predictions, message)

    assert not isinstance(came, ModelFailed)
    assert not isinstance(came, BadRequest) or came.field
    if isinstance(came, Answer):
        assert set(tfserving.response(came).outputs) == (set(message.output_filter) or set(came.outputs))


def test_every_call_that_fits_the_model_is_answered(predictions: Predictions) -> None:
    message = a_request(x=a_tensor(1, 4, float_val=[1, 2]))
    message.output_filter.append("output_0")

    came = answered(predictions, message)

    assert isinstance(came, Answer)
    assert list(tfserving.response(came).outputs["output_0"].float_val) == [2, 4, 4]


def test_nothing_is_filled_in_for_a_shape_that_the_model_does_not_take() -> None:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="numbers"))
    request.inputs["nobody"].CopyFrom(a_tensor(64, 64, dtype=pb.DT_FLOAT, float_val=[1.0]))

    (claim,) = question(request, filling()).inputs

    assert (claim.shape, claim.content) == ((64, 64), np.float32(1).tobytes())
