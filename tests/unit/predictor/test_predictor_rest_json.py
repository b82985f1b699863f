"""The JSON of REST to questions and back: any body whatever, every datatype, and the binary tensors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushline.engine.engine import TensorSpec
from pushline.engine.litert import load
from pushline.predictor.errors import BadRequest, ModelFailed, NotFinite, RequestError
from pushline.predictor.oip import DATATYPES
from pushline.predictor.predictions import Answer, Predictions
from pushline.predictor.rest_json import read, written
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import NUMERIC, Limits, bind

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"
LIMITS = Limits(max_rows=64, refuse_non_finite=True)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["name", "data", "binary_data_size"]), inner)
    ),
    max_leaves=6,
)
numbers = st.lists(st.one_of(st.integers(-5, 5), st.floats(width=32), st.booleans()), min_size=4, max_size=4)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["x", "tokens", "scale", "z"]), anything),
        "datatype": st.one_of(st.sampled_from([*DATATYPES.values(), "BYTES"]), anything),
        "shape": st.one_of(st.just([1, 4]), st.lists(st.integers(-(2**70), 2**70), max_size=3), anything),
        "data": st.one_of(numbers, numbers.map(lambda row: [row]), anything),
        "parameters": st.one_of(st.fixed_dictionaries({"binary_data_size": st.integers(-1, 40)}), anything),
    },
)
good = st.builds(lambda row: {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": row}, numbers)
bodies = st.one_of(
    st.fixed_dictionaries(
        {"inputs": st.one_of(st.lists(st.one_of(good, tensors), max_size=3), anything)},
        optional={"id": anything, "parameters": anything, "outputs": st.one_of(anything, st.just([{"name": "output_0"}]))},
    ),
    anything,
)


def answered(predictions: Predictions, model: str, body: bytes, json_size: int | None) -> bytes | RequestError:
    try:
        asked = read(model, "", body, json_size)
        return written(asked, predictions.predict(asked.question)).content
    except RequestError as error:
        return error


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["numbers", "mixed"]), bodies, st.binary(max_size=40), st.one_of(st.none(), st.integers(-3, 3)))
def test_any_body_gets_an_answer_or_a_refusal(
    predictions: Predictions, model: str, body: object, tail: bytes, shift: int | None
) -> None:
    data = json.dumps(body).encode()
    size = None if shift is None else max(0, len(data) + shift)

    came = answered(predictions, model, data if shift is None else data + tail, size)

    assert not isinstance(came, ModelFailed)
    assert not isinstance(came, BadRequest) or came.field


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_get_a_refusal(predictions: Predictions, body: bytes) -> None:
    assert isinstance(answered(predictions, "numbers", body, None), BadRequest)


@pytest.mark.parametrize("dtype", sorted(NUMERIC))
@pytest.mark.parametrize("binary", [False, True])
def test_every_datatype_goes_in_and_out_unchanged(dtype: str, binary: bool) -> None:
    values = extremes(dtype)
    tensor: dict[str, Any] = {"name": "x", "datatype": DATATYPES[dtype], "shape": [len(values)]}
    tail = values.astype(values.dtype.newbyteorder("<")).tobytes()
    tensor |= {"parameters": {"binary_data_size": len(tail)}} if binary else {"data": values.tolist()}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": binary}}).encode()

    asked = read("numbers", "", head + tail if binary else head, len(head) if binary else None)
    array = bind(asked.question.inputs, [TensorSpec("x", dtype, (-1,))], LIMITS)["x"]
    body = written(asked, an_answer(array))

    assert array.dtype == values.dtype
    assert array.tobytes() == values.tobytes()
    size = body.json_size or len(body.content)
    (output,) = json.loads(body.content[:size])["outputs"]
    assert output["datatype"] == DATATYPES[dtype]
    assert (body.content[size:] == tail) if binary else (output["data"] == values.tolist())


@pytest.mark.parametrize(
    ("dtype", "value"), [("int8", 128), ("uint8", -1), ("uint64", 2**64), ("int64", 2**63), ("int32", 1.5), ("bool", 2)]
)
def test_a_number_that_does_not_fit_is_refused(dtype: str, value: float) -> None:
    tensor = {"name": "x", "datatype": DATATYPES[dtype], "shape": [1], "data": [value]}
    with pytest.raises(BadRequest, match="holds"):
        bind(
            read("m", "", json.dumps({"inputs": [tensor]}).encode(), None).question.inputs, [TensorSpec("x", dtype, (-1,))], LIMITS
        )


def test_a_number_that_json_does_not_have_is_not_written_in_json() -> None:
    asked = read("m", "", b'{"inputs": []}', None)
    with pytest.raises(NotFinite):
        written(asked, an_answer(np.array([np.nan], np.float32)))


def an_answer(array: Any) -> Answer:
    engine = load([(PROGRAMS / "double.tflite", None)])
    loaded = Loaded(Identity("numbers", "d" * 64, "c" * 40, 1, "run", "event"), engine, "regression", ())
    return Answer(loaded, False, {"x": array}, array)


def extremes(dtype: str) -> Any:
    if dtype == "bool":
        return np.array([True, False])
    info: Any = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    return np.array([info.min, info.max, 1], dtype)
