"""The core: a question in, an answer and who gave it out. It knows no protocol; every door translates to this."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pushline.engine.engine import DYNAMIC, Array, BadInput, EngineError, Signature
from pushline.predictor.errors import BadRequest, ModelFailed, NotFinite, UnknownVersion
from pushline.predictor.models import Models
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import Claim, Limits, bind

SIGMOID_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    model: str  # may be empty where one model is served
    version: str  # a deploy_seq; empty: whatever is live
    inputs: Sequence[Claim]
    outputs: Sequence[str]  # empty: all


@dataclass(frozen=True, slots=True)
class Answer:
    identity: Identity
    stale: bool
    outputs: dict[str, Array]
    labels: tuple[str, ...]  # one a row where the model is a classifier


@dataclass(frozen=True, slots=True)
class Description:
    identity: Identity
    stale: bool
    signature: Signature
    task: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Safe to call from many threads at once. An answer comes from one deployment, the one that was live when the question came."""

    models: Models
    limits: Limits

    def predict(self, question: Question) -> Answer:
        """Raises RequestError."""
        with self._lease(question.model, question.version) as (loaded, stale):
            signature = loaded.engine.signature
            wanted = _selected(question.outputs, signature)
            outputs = self._run(loaded, bind(question.inputs, signature.inputs, self.limits))
            return Answer(loaded.identity, stale, {name: outputs[name] for name in wanted}, labels_of(loaded, outputs))

    def describe(self, model: str, version: str) -> Description:
        """Raises RequestError."""
        with self._lease(model, version) as (loaded, stale):
            return Description(loaded.identity, stale, loaded.engine.signature, loaded.task, loaded.labels)

    @contextmanager
    def _lease(self, model: str, version: str) -> Iterator[tuple[Loaded, bool]]:
        with self.models.lease(model) as (loaded, stale):
            served = str(loaded.identity.deploy_seq)
            if version not in ("", served):
                raise UnknownVersion(loaded.identity.model, version, served)
            yield loaded, stale

    def _run(self, loaded: Loaded, inputs: dict[str, Array]) -> dict[str, Array]:
        try:
            outputs = loaded.engine.run(inputs)
        except BadInput as error:
            raise BadRequest(f"inputs.{error.field}" if error.field else "inputs", error.problem) from None
        except EngineError as error:
            raise _refusal(loaded.engine.signature, error) from error
        for name, output in outputs.items():
            if self.limits.refuse_non_finite and output.dtype.kind == "f" and not np.isfinite(output).all():
                raise NotFinite(name)
        return outputs


def _refusal(signature: Signature, error: EngineError) -> BadRequest | ModelFailed:
    """Where the caller chose more than the rows, the sizes it chose may not go together."""
    if any(DYNAMIC in spec.shape[1:] for spec in signature.inputs):
        return BadRequest("inputs", "the model does not take inputs of these sizes")
    return ModelFailed(str(error))


def labels_of(loaded: Loaded, outputs: dict[str, Array]) -> tuple[str, ...]:
    """Name the likeliest class of each row of the first output; nothing for what is no classifier over rows."""
    scores = outputs[loaded.engine.signature.outputs[0].name]
    if loaded.task != "classification" or scores.ndim != 2:  # noqa: PLR2004 - (batch, classes)
        return ()
    one_score = scores.shape[1] == 1
    classes = np.greater(scores[:, 0], SIGMOID_MIDDLE).astype(int) if one_score else scores.argmax(axis=1)
    named = len(loaded.labels) == (2 if one_score else scores.shape[1])
    return tuple(loaded.labels[index] if named else str(index) for index in classes.tolist())


def _selected(wanted: Sequence[str], signature: Signature) -> list[str]:
    known = [spec.name for spec in signature.outputs]
    for index, name in enumerate(wanted):
        if name not in known:
            raise BadRequest(f"outputs.{name[:80]}", f"is no output of the model; it gives {', '.join(known)}")
        if name in wanted[:index]:
            raise BadRequest(f"outputs.{name}", "comes twice")
    return list(wanted) or known
