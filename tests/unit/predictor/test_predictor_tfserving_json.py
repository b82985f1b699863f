"""TensorFlow Serving's JSON to questions and back: rows and columns, every dtype, and any body whatever."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushline.engine.engine import Signature, TensorSpec
from pushline.engine.litert import load
from pushline.predictor.errors import BadRequest, ModelFailed, RequestError
from pushline.predictor.predictions import Answer, Description, Predictions, Question
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import NUMERIC, Limits, bind
from pushline.predictor.tfserving_json import Asked, metadata, read, status, written

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"
LIMITS = Limits(max_rows=64, refuse_non_finite=True)
IDENTITY = Identity("numbers", "d" * 64, "c" * 40, 3, "run", "event")
QUESTION = Question("numbers", "", (), ())


def described(*inputs: TensorSpec) -> Description:
    outputs = (TensorSpec("y", "float32", (-1, 3)),)
    return Description(IDENTITY, False, Signature(inputs, outputs), "regression", ())


def arrays(body: object, *inputs: TensorSpec) -> dict[str, Any]:
    asked = read(described(*inputs), "", json.dumps(body).encode())
    return bind(asked.question.inputs, inputs, LIMITS)


def an_answer(**outputs: Any) -> Answer:
    engine = load([(PROGRAMS / "double.tflite", None)])
    return Answer(Loaded(IDENTITY, engine, "regression", ()), False, outputs, next(iter(outputs.values())))


def body_of(*, by_row: bool, **outputs: Any) -> Any:
    return json.loads(written(Asked(QUESTION, by_row), an_answer(**outputs)))


X = TensorSpec("x", "float32", (-1, 2))
TOKENS, SCALE = TensorSpec("tokens", "int32", (-1, 2)), TensorSpec("scale", "float32", (-1, 1))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"instances": [[1, 2], [3, 4.5]]}, id="rows"),
        pytest.param({"instances": [{"x": [1, 2]}, {"x": [3, 4.5]}]}, id="named rows"),
        pytest.param({"inputs": [[1, 2], [3, 4.5]]}, id="a column"),
        pytest.param({"inputs": {"x": [[1, 2], [3, 4.5]]}}, id="a named column"),
        pytest.param({"signature_name": "serving_default", "inputs": [[1, 2], [3, 4.5]]}, id="with the signature's name"),
        pytest.param({"instances": [[1, 2], [3, 4.5]], "context": 1}, id="with a key that nobody reads"),
    ],
)
def test_every_form_says_the_same(body: object) -> None:
    assert arrays(body, X)["x"].tolist() == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"instances": [{"tokens": [1, 2], "scale": [0.5]}, {"scale": [1], "tokens": [3, 4]}]}, id="rows"),
        pytest.param({"inputs": {"tokens": [[1, 2], [3, 4]], "scale": [[0.5], [1]]}}, id="columns"),
    ],
)
def test_several_inputs_come_by_name(body: object) -> None:
    seen = arrays(body, TOKENS, SCALE)

    assert (seen["tokens"].tolist(), seen["scale"].tolist()) == ([[1, 2], [3, 4]], [[0.5], [1]])
    assert (seen["tokens"].dtype, seen["scale"].dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("dtype", sorted(NUMERIC))
def test_every_datatype_goes_in_and_out_unchanged(dtype: str) -> None:
    info: Any = None if dtype == "bool" else np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    values = np.array([True, False]) if info is None else np.array([info.min, info.max], dtype)

    seen = arrays({"instances": values.tolist()}, TensorSpec("x", dtype, (-1,)))["x"]

    assert (seen.dtype, seen.tobytes()) == (values.dtype, values.tobytes())
    assert body_of(by_row=True, y=values)["predictions"] == values.tolist()


def test_one_output_has_no_name_and_several_have() -> None:
    one, two = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([5, 6], np.int64)

    assert body_of(by_row=True, y=one) == {"predictions": [[1, 2], [3, 4]]}
    assert body_of(by_row=False, y=one) == {"outputs": [[1, 2], [3, 4]]}
    assert body_of(by_row=True, y=one, z=two) == {"predictions": [{"y": [1, 2], "z": 5}, {"y": [3, 4], "z": 6}]}
    assert body_of(by_row=False, y=one, z=two) == {"outputs": {"y": [[1, 2], [3, 4]], "z": [5, 6]}}


@pytest.mark.parametrize("z", [np.zeros(3, np.float32), np.array(1.0, np.float32)], ids=["other rows", "no rows"])
def test_outputs_that_are_no_rows_are_told_by_column_alone(z: Any) -> None:
    y = np.zeros((2, 1), np.float32)

    with pytest.raises(BadRequest, match="instances: the model's outputs are no rows"):
        body_of(by_row=True, y=y, z=z)
    assert body_of(by_row=False, y=y, z=z)["outputs"]["z"] == z.tolist()


def test_where_the_operator_allows_numbers_that_json_lacks_they_are_written_as_clients_read_them() -> None:
    answer = an_answer(y=np.array([np.nan, np.inf, -np.inf], np.float32))

    assert written(Asked(QUESTION, by_row=False), answer) == b'{"outputs": [NaN, Infinity, -Infinity]}'


BAD_BODIES = [
    pytest.param({}, "body", id="neither rows nor columns"),
    pytest.param({"instances": [[1, 2]], "inputs": [[1, 2]]}, "body", id="rows and columns"),
    pytest.param([], "body", id="no object"),
    pytest.param({"instances": [[1, 2]], "signature_name": "z"}, "signature_name", id="another signature"),
    pytest.param({"instances": [[1, 2]], "signature_name": 1}, "signature_name", id="a signature that is no text"),
    pytest.param({"instances": []}, "instances", id="no rows"),
    pytest.param({"instances": {"x": [[1, 2]]}}, "instances", id="an object for rows"),
    pytest.param({"instances": [{"x": [1, 2]}, [1, 2]]}, "instances[1]", id="a row without a name among named ones"),
    pytest.param({"instances": [[1, 2], {"x": [1, 2]}]}, "instances[0]", id="a named row among others"),
    pytest.param({"instances": [{"z": [1, 2]}]}, "instances[0]", id="a row with another name"),
    pytest.param({"inputs": {"z": [[1, 2]]}}, "inputs.z", id="a column with another name"),
    pytest.param({"inputs": {}}, "inputs.x", id="no columns"),
    pytest.param({"instances": [[1, 2], [3]]}, "inputs.x", id="rows of unequal length"),
    pytest.param({"instances": [[1, [2]]]}, "inputs.x", id="a list beside a number"),
    pytest.param({"instances": [1, [2]]}, "inputs.x", id="a list behind a number"),
    pytest.param({"instances": [[1, "2"]]}, "inputs.x", id="a text"),
    pytest.param({"instances": [[1, None]]}, "inputs.x", id="null"),
    pytest.param({"instances": [[1, True]]}, "inputs.x", id="a bool for a float"),
    pytest.param({"instances": [{"b64": "AAAA"}]}, "inputs.x", id="base64 in a row"),
    pytest.param({"inputs": {"b64": "AAAA"}}, "inputs.x", id="base64 in a column"),
    pytest.param({"instances": [[1, 10**400]]}, "inputs.x.contents", id="a number beyond all"),
    pytest.param({"instances": [[1, 1e300]]}, "inputs.x.contents", id="a number beyond float32"),
    pytest.param({"instances": [[1, float("nan")]]}, "inputs.x.contents", id="NaN"),
    pytest.param({"instances": [1, 2]}, "inputs.x.shape", id="wrong rank"),
    pytest.param({"instances": 1}, "instances", id="a number for rows"),
    pytest.param({"inputs": 1}, "inputs.x.shape", id="a number for a column"),
]


@pytest.mark.parametrize(("body", "field"), BAD_BODIES)
def test_a_bad_body_is_refused_naming_the_field(body: object, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        arrays(body, X)

    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[" * 9000, b'{"inputs": 1, "inputs": 2}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="body: is no JSON"):
        read(described(X), "", body)


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_several_inputs_without_names_are_refused_saying_the_names(form: str) -> None:
    with pytest.raises(BadRequest, match=f"{form}: the model has several inputs; send tokens, scale by name"):
        arrays({form: [[1, 2]]}, TOKENS, SCALE)


@pytest.mark.parametrize("value", [1.5, True, 2**31])
def test_what_is_no_integer_of_the_size_is_refused(value: object) -> None:
    with pytest.raises(BadRequest, match=r"inputs\.tokens"):
        arrays({"instances": [[1, value]]}, TOKENS)


def test_status_and_metadata_are_told_as_the_stock_server_does() -> None:
    told = described(X)

    assert status(told) == {
        "model_version_status": [{"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    }
    found = metadata(told)
    assert found["model_spec"] == {"name": "numbers", "version": "3", "signature_name": ""}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "name": "x:0",
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
    }
    assert set(signature["outputs"]) == {"y"}


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["x", "tokens", "scale", "b64"]), inner)),
    max_leaves=8,
)
rows = st.lists(st.lists(st.one_of(st.integers(-5, 5), st.floats(width=32)), min_size=4, max_size=4), max_size=3)
bodies = st.one_of(
    anything,
    st.fixed_dictionaries({"instances": st.one_of(rows, anything)}, optional={"signature_name": anything}),
    st.fixed_dictionaries({"inputs": st.one_of(rows, anything)}, optional={"instances": anything}),
)


def answered(predictions: Predictions, model: str, body: bytes) -> bytes | RequestError:
    try:
        asked = read(predictions.describe(model, ""), "", body)
        return written(asked, predictions.predict(asked.question))
    except RequestError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["numbers", "mixed"]), bodies)
def test_any_body_gets_an_answer_or_a_refusal(predictions: Predictions, model: str, body: object) -> None:
    came = answered(predictions, model, json.dumps(body).encode())

    assert not isinstance(came, ModelFailed)
    assert not isinstance(came, BadRequest) or came.field


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_get_a_refusal(predictions: Predictions, body: bytes) -> None:
    assert isinstance(answered(predictions, "numbers", body), BadRequest)
