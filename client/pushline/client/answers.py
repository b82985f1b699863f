"""Between NumPy and the messages of pushline.serving.v1."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pushline.client.errors import BadRequest
from pushline.serving.v1 import serving_pb2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    y: Floats  # the first output
    outputs: Mapping[str, Floats]
    labels: tuple[str, ...]  # one a row where the model is a classifier
    model: str
    digest: str  # SHA-256 of model.h5
    commit: str
    deploy_seq: int
    run_id: str
    stale: bool  # the replica is not sure that this is the newest deployed model

    @property
    def label(self) -> str:
        """The first row's label; empty where the model is no classifier."""
        return self.labels[0] if self.labels else ""


def request_of(x: npt.ArrayLike | Mapping[str, npt.ArrayLike], model: str | None) -> serving_pb2.PredictRequest:
    """Raises BadRequest for what is no array of numbers, or has numbers that a 32-bit float cannot hold."""
    if isinstance(x, Mapping):
        inputs = {name: _tensor(name, value) for name, value in x.items()}
        return serving_pb2.PredictRequest(model=model or "", inputs=inputs)
    return serving_pb2.PredictRequest(model=model or "", x=_tensor("x", x))


def answer_of(response: serving_pb2.PredictResponse) -> Answer:
    by = response.answered_by
    return Answer(
        y=_array(response.y),
        outputs={name: _array(tensor) for name, tensor in response.outputs.items()},
        labels=tuple(response.labels),
        model=by.model,
        digest=by.digest,
        commit=by.commit,
        deploy_seq=by.deploy_seq,
        run_id=by.run_id,
        stale=by.stale,
    )


def _tensor(name: str, value: npt.ArrayLike) -> serving_pb2.Tensor:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BadRequest("INVALID_ARGUMENT", f"{name}: {error}") from None
    if array.dtype.kind not in "biuf":
        raise BadRequest("INVALID_ARGUMENT", f"{name}: holds {array.dtype.name}, not numbers")
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if array.dtype.kind in "iu" and not (floats.astype(np.float64) == array).all():
        raise BadRequest("INVALID_ARGUMENT", f"{name}: holds whole numbers that a 32-bit float cannot hold exactly")
    return serving_pb2.Tensor(shape=array.shape, values=floats.ravel().tolist())


def _array(tensor: serving_pb2.Tensor) -> Floats:
    return np.array(tensor.values, np.float32).reshape(tuple(tensor.shape))
