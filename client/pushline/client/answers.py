"""What comes back from a predictor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one deployment. Arrays have the dtypes of the model, are yours to write to, and have a row for each row asked."""

    y: Array  # the model's first output
    outputs: Mapping[str, Array]  # every output by name
    labels: tuple[str, ...]  # one a row where the model is a classifier
    model: str
    digest: str  # SHA-256 of model.h5
    commit: str  # the SHA of the commit that the model was trained from
    deploy_seq: int  # number of the deployment, from 1; greater is later
    run_id: str
    stale: bool  # the replica is not sure that this is the newest deployed model

    @property
    def label(self) -> str:
        """The first row's label; empty where the model is no classifier."""
        return self.labels[0] if self.labels else ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output of a model."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # -1 where any size will do; the first is the number of rows


@dataclass(frozen=True, slots=True)
class Model:
    """What a model takes and gives."""

    name: str
    deploy_seq: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
