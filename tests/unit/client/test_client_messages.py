"""Between NumPy and messages: what goes out, what comes back, and what is refused before it is sent."""

import numpy as np
import pytest

from pushline.client import BadRequest
from pushline.client.answers import answer_of, request_of
from pushline.serving.v1 import serving_pb2


@pytest.mark.parametrize(
    "x",
    [
        pytest.param([[1, 2], [3, 4]], id="lists"),
        pytest.param(np.array([[1, 2], [3, 4]], np.float64), id="float64"),
        pytest.param(np.array([[1, 3], [2, 4]], np.float32).T, id="not contiguous"),
        pytest.param(np.array([[1, 2], [3, 4]], np.int64), id="int64"),
    ],
)
def test_any_array_of_numbers_goes_out_row_by_row(x: object) -> None:
    message = request_of(x, "numbers")  # type: ignore[arg-type]  # the table's arrays

    assert message.model == "numbers"
    assert list(message.x.shape) == [2, 2]
    assert list(message.x.values) == [1, 2, 3, 4]


def test_several_inputs_go_out_by_name() -> None:
    message = request_of({"a": [[1.0]], "b": [[2.0, 3.0]]}, None)

    assert not message.HasField("x")
    assert {name: list(tensor.values) for name, tensor in message.inputs.items()} == {"a": [1], "b": [2, 3]}


@pytest.mark.parametrize(
    ("x", "why"),
    [
        pytest.param([["a"]], "not numbers", id="text"),
        pytest.param([[1.0], [2.0, 3.0]], "x: ", id="ragged"),
        pytest.param([[2**24 + 1]], "cannot hold exactly", id="a whole number that would change"),
    ],
)
def test_what_would_not_arrive_as_it_is_is_refused(x: object, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        request_of(x, None)  # type: ignore[arg-type]  # wrong on purpose


def test_an_answer_has_arrays_labels_and_who_gave_it() -> None:
    y = serving_pb2.Tensor(shape=(2, 2), values=(1, 2, 3, 4))
    by = serving_pb2.ModelIdentity(model="numbers", digest="d", commit="c", deploy_seq=7, run_id="r", stale=True)

    answer = answer_of(serving_pb2.PredictResponse(y=y, labels=("b", "b"), answered_by=by, outputs={"y": y}))

    assert answer.y.tolist() == [[1, 2], [3, 4]] == answer.outputs["y"].tolist()
    assert (answer.label, answer.labels) == ("b", ("b", "b"))
    assert (answer.model, answer.digest, answer.commit, answer.deploy_seq, answer.run_id, answer.stale) == (
        "numbers",
        "d",
        "c",
        7,
        "r",
        True,
    )


def test_a_model_that_is_no_classifier_gives_no_label() -> None:
    assert answer_of(serving_pb2.PredictResponse(y=serving_pb2.Tensor(shape=(1,), values=(0.5,)))).label == ""
