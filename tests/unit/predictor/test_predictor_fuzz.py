"""Any message whatever, against a real program: an answer, or a refusal that names what is wrong. Nothing else comes out."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_inference import open_inference_grpc_pb2 as pb
from pushline.predictor import oip, typed
from pushline.predictor.errors import BadRequest, ModelFailed, RequestError, UnknownModel, UnknownVersion
from pushline.predictor.predictions import Answer, Predictions, Question
from pushline.serving.v1 import serving_pb2

EXAMPLES = 400
small_text = st.sampled_from(["", "x", "tokens", "scale", "output_0", "product", "z", "ß\U0001f600", "x" * 300])
datatypes = st.sampled_from(["", "FP32", "FP16", "FP64", "INT32", "INT64", "BOOL", "BYTES", "BF16", "UINT64", "fp32", "\x00"])
sizes = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 4, 5, 65537, 2**31, 2**62, 2**63 - 1])
shapes = st.one_of(st.sampled_from([[1, 4], [2, 4], [1, 2], [1, 1]]), st.lists(sizes, max_size=5))
numbers = st.floats(width=32)


def contents() -> st.SearchStrategy[pb.InferTensorContents]:
    return st.one_of(
        st.builds(pb.InferTensorContents, fp32_contents=st.lists(numbers, max_size=9)),
        st.builds(pb.InferTensorContents, fp32_contents=st.lists(numbers, min_size=4, max_size=4)),
        st.builds(pb.InferTensorContents, int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)),
        st.builds(pb.InferTensorContents, int64_contents=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)),
        st.builds(pb.InferTensorContents, bool_contents=st.lists(st.booleans(), max_size=4)),
        st.builds(pb.InferTensorContents, bytes_contents=st.lists(st.binary(max_size=8), max_size=4)),
        st.builds(pb.InferTensorContents),
    )


inputs = st.builds(pb.ModelInferRequest.InferInputTensor, name=small_text, datatype=datatypes, shape=shapes, contents=contents())
bare = st.builds(pb.ModelInferRequest.InferInputTensor, name=small_text, datatype=datatypes, shape=shapes)
requests = st.builds(
    pb.ModelInferRequest,
    model_name=st.sampled_from(["numbers", "mixed", "", "other"]),
    model_version=st.sampled_from(["", "1", "2", "-1", "latest"]),
    id=small_text,
    inputs=st.lists(st.one_of(inputs, bare), max_size=3),
    outputs=st.lists(st.builds(pb.ModelInferRequest.InferRequestedOutputTensor, name=small_text), max_size=2),
    raw_input_contents=st.one_of(st.just([]), st.lists(st.one_of(st.binary(max_size=40), st.just(b"\0" * 16)), max_size=3)),
)
tensors = st.builds(serving_pb2.Tensor, shape=shapes, values=st.lists(numbers, max_size=9))
typed_requests = st.one_of(
    st.builds(serving_pb2.PredictRequest, model=st.sampled_from(["numbers", "mixed"]), x=tensors),
    st.builds(serving_pb2.PredictRequest, model=st.just("mixed"), inputs=st.dictionaries(small_text, tensors, max_size=3)),
)


def refusal(predictions: Predictions, question: Callable[[], Question]) -> tuple[Answer | None, RequestError | None]:
    try:
        return predictions.predict(question()), None
    except RequestError as error:
        return None, error


@settings(max_examples=EXAMPLES, deadline=None)
@given(requests)
def test_any_inference_request_gets_an_answer_or_a_refusal(predictions: Predictions, message: pb.ModelInferRequest) -> None:
    answer, refused = refusal(predictions, lambda: oip.question(message))

    assert answer or refused
    assert not isinstance(refused, ModelFailed)
    assert not isinstance(refused, BadRequest) or refused.field
    if answer is not None:
        response = oip.response(message, answer)
        assert response.id == message.id
        assert len(response.outputs) == len(message.outputs) or not message.outputs


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_requests)
def test_any_typed_request_gets_an_answer_or_a_refusal(predictions: Predictions, message: serving_pb2.PredictRequest) -> None:
    answer, refused = refusal(predictions, lambda: typed.question(message))

    assert answer or refused
    assert not isinstance(refused, ModelFailed)
    if answer is not None:
        assert typed.response(answer).answered_by.deploy_seq == 3


def test_a_version_that_is_not_served_is_unknown(predictions: Predictions) -> None:
    with pytest.raises(UnknownVersion, match="no version '7' here; version 3 is served"):
        predictions.describe("numbers", "7")


def test_no_name_is_unknown_where_several_models_are_served(predictions: Predictions) -> None:
    with pytest.raises(UnknownModel):
        predictions.predict(Question("", "", (), ()))
