"""What several tests of the doors ask: two models, one of them with two inputs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.engine.litert import load
from pushline.predictor.models import Models
from pushline.predictor.predictions import Predictions
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import Limits

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "predictor"


@pytest.fixture(scope="module")
def predictions() -> Iterator[Predictions]:
    models = Models(frozenset({"numbers", "mixed"}))
    for model, program in (("numbers", "double"), ("mixed", "mixed")):
        engine = load([(PROGRAMS / f"{program}.tflite", None)])
        models.swap(Loaded(Identity(model, "d" * 64, "c" * 40, 3, "run", "event"), engine, "classification", ()))
    yield Predictions(models, Limits(max_rows=64, refuse_non_finite=True))
    models.close()
