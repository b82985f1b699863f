"""The list of models: each that is known, whether it can answer, and why not."""

from collections.abc import Iterator

import pytest

from pushline.predictor.errors import MetadataOff
from pushline.predictor.models import Models
from pushline.predictor.predictions import Predictions
from pushline.predictor.telling import READY, UNAVAILABLE, Listed, Telling
from pushline.predictor.tensors import Limits
from tests.unit.predictor.test_predictor_repeats import loaded


@pytest.fixture
def predictions() -> Iterator[Predictions]:
    models = Models(frozenset({"later", "numbers"}))
    models.swap(loaded("double", 7))
    yield Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    models.close()


def test_models_are_listed_with_version_and_state(predictions: Predictions) -> None:
    telling = Telling(predictions, allowed=True)
    later = Listed("later", "", UNAVAILABLE, "nothing is deployed yet for model 'later'")
    numbers = Listed("numbers", "7", READY, "")

    assert telling.index(ready_only=False) == [later, numbers]
    assert telling.index(ready_only=True) == [numbers]


def test_nothing_is_told_where_it_is_switched_off(predictions: Predictions) -> None:
    telling = Telling(predictions, allowed=False)

    with pytest.raises(MetadataOff):
        telling.describe("numbers", "")
    with pytest.raises(MetadataOff):
        telling.index(ready_only=True)
