"""Between arrays and messages: what goes out, what comes back, and what is refused before it is sent."""

import numpy as np
import pytest

from open_inference import open_inference_grpc_pb2 as pb
from pushline.client import BadRequest, Model, PredictionFailed, Tensor
from pushline.client.messages import DTYPES, answer_of, model_of, request_of

FLOAT, WHOLE = np.dtype(np.float32), np.dtype(np.int32)
ONE = Model("numbers", 1, (Tensor("x", FLOAT, (-1, 2)),), ())
TWO = Model("mixed", 1, (Tensor("tokens", WHOLE, (-1, 2)), Tensor("scale", FLOAT, (-1, 1))), ())
Output = pb.ModelInferResponse.InferOutputTensor
Metadata = pb.ModelMetadataResponse.TensorMetadata


def raw(*values: float, dtype: str = "<f4") -> bytes:
    return np.array(values, dtype).tobytes()


@pytest.mark.parametrize(
    "x",
    [
        pytest.param([[1, 2], [3, 4]], id="lists"),
        pytest.param(np.array([[1, 2], [3, 4]], np.float64), id="float64"),
        pytest.param(np.array([[1, 3], [2, 4]], np.float32).T, id="not contiguous"),
        pytest.param(np.array([[1, 2], [3, 4]], ">f4"), id="big endian"),
        pytest.param(np.array([[1, 2], [3, 4]], np.int64), id="int64"),
        pytest.param({"x": [[1, 2], [3, 4]]}, id="by name"),
    ],
)
def test_any_array_of_numbers_goes_out_in_the_models_own_dtype(x: object) -> None:
    message = request_of(x, ONE, "numbers", "")  # type: ignore[arg-type]  # the table's arrays

    assert (message.model_name, message.model_version) == ("numbers", "")
    assert [(each.name, each.datatype, list(each.shape)) for each in message.inputs] == [("x", "FP32", [2, 2])]
    assert message.raw_input_contents == [raw(1, 2, 3, 4)]
    assert message.parameters["labels"].bool_param


def test_several_inputs_go_out_by_name_each_in_its_dtype() -> None:
    message = request_of({"scale": [[0.5]], "tokens": [[3, 4]]}, TWO, "", "7")

    assert [(each.name, each.datatype) for each in message.inputs] == [("tokens", "INT32"), ("scale", "FP32")]
    assert message.raw_input_contents == [raw(3, 4, dtype="<i4"), raw(0.5)]
    assert message.model_version == "7"


@pytest.mark.parametrize(
    ("x", "model", "why"),
    [
        pytest.param([[1.0]], TWO, "^x: the model has several inputs; give tokens, scale by name", id="one for several"),
        pytest.param({"tokens": [[1, 2]]}, TWO, "^scale: is missing; the model takes tokens, scale", id="one is missing"),
        pytest.param({"z": [[1]]}, ONE, "^z: is no input of the model; it takes x", id="another name"),
        pytest.param([["a"]], ONE, "^x: holds str32, not numbers", id="text"),
        pytest.param([[1.0], [2.0, 3.0]], ONE, "^x: ", id="ragged"),
        pytest.param([[1j]], ONE, "^x: holds complex128, not numbers", id="complex"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(x: object, model: Model, why: str) -> None:
    with pytest.raises(BadRequest, match=why) as caught:
        request_of(x, model, "", "")  # type: ignore[arg-type]  # wrong on purpose

    assert caught.value.code == "INVALID_ARGUMENT"


def an_answer() -> pb.ModelInferResponse:
    """Of two outputs of different dtypes."""
    answer = pb.ModelInferResponse(model_name="numbers", model_version="7")
    for name in ("model", "digest", "commit", "run_id"):
        answer.parameters[name].string_param = f"the {name}"
    answer.parameters["deploy_seq"].int64_param = 7
    answer.parameters["stale"].bool_param = True
    answer.parameters["labels"].string_param = '["b", "ä,ö"]'
    answer.outputs.append(Output(name="y", datatype="FP32", shape=(2, 2)))
    answer.outputs.append(Output(name="index", datatype="INT64", shape=(2,)))
    answer.raw_output_contents.extend([raw(1, 2, 3, 4), raw(2**62 + 1, 5, dtype="<i8")])
    return answer


def test_an_answer_has_arrays_labels_and_who_gave_it() -> None:
    answer = answer_of(an_answer())

    assert answer.y is answer.outputs["y"]
    assert (answer.y.dtype.name, answer.y.tolist()) == ("float32", [[1, 2], [3, 4]])
    assert (answer.outputs["index"].dtype.name, answer.outputs["index"].tolist()) == ("int64", [2**62 + 1, 5])
    assert (answer.label, answer.labels) == ("b", ("b", "ä,ö"))
    assert (answer.model, answer.digest, answer.commit, answer.run_id) == ("numbers", "the digest", "the commit", "the run_id")
    assert (answer.deploy_seq, answer.stale) == (7, True)


def test_the_arrays_of_an_answer_are_the_callers_own() -> None:
    answer = answer_of(an_answer())

    answer.y[:] += 1

    assert answer.y.tolist() == [[2, 3], [4, 5]]


def test_a_model_that_is_no_classifier_gives_no_label() -> None:
    message = an_answer()
    message.parameters["labels"].string_param = "[]"

    assert answer_of(message).label == ""


@pytest.mark.parametrize("without", ["outputs", "raw_output_contents"])
def test_an_answer_without_its_numbers_is_a_failure(without: str) -> None:
    message = an_answer()
    message.ClearField(without)  # type: ignore[arg-type]  # one of its fields

    with pytest.raises(PredictionFailed, match="one content in bytes for each output"):
        answer_of(message)


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_a_model_says_its_dtypes_and_shapes(datatype: str) -> None:
    inputs = [Metadata(name="x", datatype=datatype, shape=(-1, 4))]

    model = model_of(pb.ModelMetadataResponse(name="numbers", versions=["7"], inputs=inputs))

    assert model == Model("numbers", 7, (Tensor("x", DTYPES[datatype], (-1, 4)),), ())


def test_a_dtype_that_is_not_known_here_is_named() -> None:
    with pytest.raises(PredictionFailed, match="x: is BF16, which this client does not know"):
        model_of(pb.ModelMetadataResponse(name="words", versions=["1"], inputs=[Metadata(name="x", datatype="BF16", shape=(1,))]))
