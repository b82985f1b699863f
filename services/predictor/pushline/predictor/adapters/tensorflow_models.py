"""TensorFlow behind the port OpenModel."""

from pushline.engine.tensorflow import TensorFlow
from pushline.engine.tensorflow_process import Limits
from pushline.predictor.ports import OpenModel
from pushline.predictor.settings import TensorFlowSettings


def open_model(settings: TensorFlowSettings, max_model_bytes: int) -> OpenModel | None:
    """None where no interpreter is named that has TensorFlow."""
    if settings.python is None:
        return None
    limits = Limits(memory_bytes=settings.memory_bytes, model_bytes=max_model_bytes, run_seconds=settings.timeout_seconds)
    return TensorFlow(settings.python, limits).open
