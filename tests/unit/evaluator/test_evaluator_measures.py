"""Numbers against scikit-learn and against plain arithmetic; programs against Keras."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn
from sklearn import metrics as sk

from pushline.evaluator.agreement import compare
from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate
from pushline.evaluator.measures import measure, probabilities
from pushline.evaluator.verdict import NotJudgeable

SCORES = hn.arrays(np.float32, (12, 3), elements=st.floats(-20, 20, width=32))
TRUTH = np.array([0, 1, 2] * 4)


@given(SCORES)
def test_scores_that_are_no_probabilities_become_some_and_keep_their_order(scores: Array) -> None:
    shares = probabilities(scores)

    assert np.all(shares >= 0)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    first, said = scores.argmax(axis=1), shares.argmax(axis=1)
    np.testing.assert_allclose(shares[np.arange(12), first], shares[np.arange(12), said])


@given(hn.arrays(np.float32, (8, 4), elements=st.floats(0.125, 1, width=32)))
def test_probabilities_stay_what_they_are(raw: Array) -> None:
    shares = raw / raw.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(probabilities(shares), shares, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_sigmoid_answers_for_the_second_class(shape: tuple[int, ...]) -> None:
    shares = probabilities(np.array([0.1, 0.9, 0.5, 1.0]).reshape(shape))

    np.testing.assert_allclose(shares[:, 1], [0.1, 0.9, 0.5, 1.0])


def test_scores_of_one_column_go_through_the_sigmoid() -> None:
    np.testing.assert_allclose(probabilities(np.array([[-800.0], [0.0], [800.0]]))[:, 1], [0, 0.5, 1], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(SCORES)
def test_the_numbers_of_a_classifier_are_scikit_learns(scores: Array) -> None:
    shares = probabilities(scores)
    said = shares.argmax(axis=1)

    numbers = measure("classification", TRUTH, scores, ()).numbers

    assert numbers["accuracy"] == np.mean(said == TRUTH)
    assert numbers["f1"] == pytest.approx(sk.f1_score(TRUTH, said, average="macro", zero_division=0))
    assert numbers["log_loss"] == pytest.approx(
        -np.mean(np.log(np.clip(shares[np.arange(12), TRUTH], np.finfo(float).eps, 1))), rel=1e-6
    )
    recalls = [float(np.mean(said[label == TRUTH] == label)) for label in range(3)]
    assert [numbers[f"recall.{label}"] for label in range(3)] == pytest.approx(recalls)
    assert numbers["recall"] == pytest.approx(np.mean(recalls))


def test_the_confusion_matrix_has_the_true_classes_as_rows() -> None:
    answers = np.eye(3)[[0, 1, 1]]

    measured = measure("classification", np.array([0, 1, 2]), answers, ("cat", "dog", "cow"))

    assert measured.confusion == ((1, 0, 0), (0, 1, 0), (0, 1, 0))
    assert [row.label for row in measured.classes] == ["cat", "dog", "cow"]
    assert measured.constant == pytest.approx(1 / 3)


def test_a_class_that_never_occurs_has_no_recall() -> None:
    measured = measure("classification", np.array([0, 1, 0]), np.eye(3)[[0, 1, 0]], ())

    assert measured.metrics["recall.2"] == Estimate(None)
    assert measured.numbers["accuracy"] == 1
    assert measured.numbers["recall"] == 1


@settings(max_examples=30, deadline=None)
@given(
    hn.arrays(np.float64, (9,), elements=st.floats(-1e6, 1e6)),
    hn.arrays(np.float64, (9,), elements=st.floats(-1e6, 1e6)),
)
def test_the_numbers_of_a_regression_are_plain_arithmetic(truth: Array, answers: Array) -> None:
    measured = measure("regression", truth, answers[:, np.newaxis], ())

    assert measured.numbers["rmse"] == pytest.approx(math.sqrt(np.mean((truth - answers) ** 2)))
    assert measured.numbers["mae"] == pytest.approx(np.mean(np.abs(truth - answers)))
    assert measured.constant == pytest.approx(np.std(truth))


def test_r2_of_a_constant_target_is_not_defined() -> None:
    assert measure("regression", np.full(5, 2.0), np.arange(5.0), ()).numbers["r2"] is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_answers_that_are_not_finite_reject_the_run(wrong: float) -> None:
    answers = np.eye(3)[[0, 1, 2]]
    answers[1, 1] = wrong

    with pytest.raises(NotJudgeable, match="NaN or infinity on 1 of 3 rows") as caught:
        measure("classification", np.array([0, 1, 2]), answers, ())

    assert caught.value.verdict.reason == "not_finite"


def test_an_unknown_task_rejects_the_run() -> None:
    with pytest.raises(NotJudgeable, match="the task 'ranking' is unknown"):
        measure("ranking", TRUTH, np.ones((12, 3)), ())


KERAS = {"y": np.array([[0.5, 100.0], [0.25, -3.0]], np.float32)}


def test_a_difference_within_the_tolerance_is_told() -> None:
    said = {"y": KERAS["y"] + np.array([[1e-6, 5e-4], [0, 0]])}

    found = compare("program.tflite", said, KERAS, 1e-5)

    assert found.rows == 2
    assert found.difference == pytest.approx(5e-4, rel=1e-3)
    assert found.share == pytest.approx(0.5, rel=1e-3)


def test_more_rows_than_keras_answered_are_fine() -> None:
    assert compare("p", {"y": np.vstack([KERAS["y"], [[9, 9]]])}, KERAS, 1e-5).rows == 2


DISAGREEMENTS = [
    ("too far for its size", {"y": KERAS["y"] + np.array([[0, 0], [2e-5, 0]])}, KERAS, "y differs from Keras by up to 2e-05"),
    ("other outputs", {"z": KERAS["y"]}, KERAS, "it answers z, Keras y"),
    ("an output more", KERAS | {"z": KERAS["y"]}, KERAS, "it answers y, z, Keras y"),
    ("another shape", {"y": KERAS["y"][:, :1]}, KERAS, "its answers y have the shape (2, 1), Keras' have (2, 2)"),
    ("fewer rows", {"y": KERAS["y"][:1]}, KERAS, "have the shape (1, 2), Keras' have (2, 2)"),
    ("nothing to compare", {"y": KERAS["y"]}, {}, "Keras' own answers are missing"),
    ("no rows to compare", {"y": KERAS["y"]}, {"y": KERAS["y"][:0]}, "Keras' have (0, 2)"),
    ("NaN", {"y": KERAS["y"] * np.nan}, KERAS, "hold NaN or infinity"),
    ("NaN on both sides", {"y": KERAS["y"] * np.nan}, {"y": KERAS["y"] * np.nan}, "hold NaN or infinity"),
]


@pytest.mark.parametrize(("name", "said", "keras", "words"), DISAGREEMENTS, ids=[case[0] for case in DISAGREEMENTS])
def test_a_program_that_does_not_say_what_keras_says_is_rejected(
    name: str,
    said: dict[str, Array],
    keras: dict[str, Array],
    words: str,
) -> None:
    del name

    with pytest.raises(NotJudgeable) as caught:
        compare("program.tflite", said, keras, 1e-5)

    assert caught.value.verdict.verdict == "rejected"
    assert words in str(caught.value)


def test_logits_that_look_like_probabilities_are_still_logits() -> None:
    scores = np.array([[0.4], [0.2], [0.7]])

    known = probabilities(scores, from_logits=True)

    assert (known[:, 1] > 0.5).all()
    assert (probabilities(scores)[:, 1] > 0.5).tolist() == [False, False, True]


def test_wide_logits_that_sum_to_one_go_through_softmax() -> None:
    scores = np.array([[0.9, 0.1]])

    assert probabilities(scores, from_logits=True)[0, 0] < 0.9
    assert probabilities(scores)[0, 0] == 0.9
