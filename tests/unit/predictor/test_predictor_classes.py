"""Labels and probabilities of a classifier, from whatever scores its model gives: probabilities or logits, one or many."""

import numpy as np
import pytest

from pushline.engine.engine import Array
from pushline.engine.litert import load
from pushline.predictor.classes import labels_of, probabilities_of
from pushline.predictor.serving import Identity, Loaded
from tests.fixtures.predictor.deploying import PROGRAMS

IDENTITY = Identity("kinds", "d" * 64, "c" * 40, 1, "run", "event")
ENGINE = load([(PROGRAMS / "double.tflite", None)])


def loaded(labels: tuple[str, ...] = (), *, task: str = "classification", from_logits: bool = False) -> Loaded:
    return Loaded(IDENTITY, ENGINE, task, labels, from_logits)


def scores(*rows: list[float]) -> Array:
    return np.array(rows, "float32")


@pytest.mark.parametrize(
    ("model", "given", "labels", "probabilities"),
    [
        pytest.param(loaded(("a", "b")), scores([0.75, 0.25]), ("a",), [[0.75, 0.25]], id="probabilities"),
        pytest.param(loaded(from_logits=True), scores([0, 0], [800, -800]), ("0", "0"), [[0.5, 0.5], [1, 0]], id="logits"),
        pytest.param(
            loaded(("no", "yes")), scores([0.25], [0.75]), ("no", "yes"), [[0.75, 0.25], [0.25, 0.75]], id="one probability"
        ),
        pytest.param(
            loaded(("no", "yes"), from_logits=True),
            scores([-800], [0.25], [800]),
            ("no", "yes", "yes"),
            [[1, 0], [0.4378235, 0.5621765], [0, 1]],
            id="one logit",
        ),
    ],
)
def test_each_row_has_its_likeliest_class_and_how_likely_each_is(
    model: Loaded, given: Array, labels: tuple[str, ...], probabilities: list[list[float]]
) -> None:
    found = probabilities_of(model, given)

    assert labels_of(model, given) == labels
    assert found is not None
    assert np.allclose(found.astype("float64"), probabilities, atol=1e-6)


@pytest.mark.parametrize("model", [loaded(task="regression"), loaded()], ids=["a regression", "no rows of classes"])
def test_what_is_no_classifier_has_neither(model: Loaded) -> None:
    given = np.zeros((2, 3, 4) if model.task == "classification" else (2, 3), "float32")

    assert labels_of(model, given) == ()
    assert probabilities_of(model, given) is None
