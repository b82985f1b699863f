"""The core: a question in, an answer and who gave it out. It knows no protocol; every door translates to this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pushline.engine.engine import DYNAMIC, Array, BadInput, EngineError, EngineUnavailable, Signature
from pushline.predictor.errors import (
    BadRequest,
    ModelFailed,
    ModelUnavailable,
    NotFinite,
    NotFiniteInput,
    NothingDeployed,
    UnknownVersion,
)
from pushline.predictor.models import Models
from pushline.predictor.serving import Identity, Loaded, Slot
from pushline.predictor.tensors import Claim, Limits, all_finite, bind, check_finite, fits, wire_dtype

SIGMOID_MIDDLE = 0.5
NoteNotFinite = Callable[[str, str], None]  # a model; "input" or "output"


def not_noted(_model: str, _where: str) -> None:
    """Where nobody counts."""


class Question(NamedTuple):
    model: str  # may be empty where one model is served
    version: str  # a deploy_seq; empty: whatever is live
    inputs: Sequence[Claim]
    outputs: Sequence[str]  # empty: all


class Ready(NamedTuple):
    """What was found out about a question with one input in bytes, to ask it again with other numbers."""

    model: str
    slot: Slot
    loaded: Loaded
    input: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    outputs: Sequence[str]  # empty: all


class Answer(NamedTuple):
    loaded: Loaded  # who answered; its engine may be closed by now
    stale: bool
    outputs: dict[str, Array]
    scores: Array  # the first output, asked for or not

    @property
    def identity(self) -> Identity:
        return self.loaded.identity

    def labels(self) -> tuple[str, ...]:
        """One a row where the model is a classifier."""
        return labels_of(self.loaded, self.scores)


@dataclass(frozen=True, slots=True)
class Description:
    identity: Identity
    stale: bool
    signature: Signature
    task: str
    labels: tuple[str, ...]
    engine: str = "litert"
    problem: str = ""  # why it cannot answer at this moment

    @property
    def platform(self) -> str:
        return f"pushline_{self.engine}"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Safe to call from many threads at once. An answer comes from one deployment, the one that was live when the question came."""

    models: Models
    limits: Limits
    note_not_finite: NoteNotFinite = not_noted

    def predict(self, question: Question) -> Answer:
        """Raises RequestError."""
        name, slot = self.models.find(question.model)
        with slot.lease() as held:
            loaded = _served(held, name, question.version)
            signature = loaded.engine.signature
            wanted = _selected(question.outputs, signature)
            outputs = self._run(loaded, self._bound(loaded, question.inputs))
            scores = outputs[signature.outputs[0].name]
            return Answer(loaded, self.models.is_stale(name), {each: outputs[each] for each in wanted}, scores)

    def ready_for(self, question: Question) -> Ready | None:
        """Prepare for questions like this one, which was answered; None where each needs all checks."""
        name, slot = self.models.find(question.model)
        loaded = slot.current
        if loaded is None or len(question.inputs) != 1:
            return None
        claim, spec = question.inputs[0], loaded.engine.signature.inputs[0]
        if not fits(claim, spec) or question.version not in ("", str(loaded.identity.deploy_seq)):
            return None
        return Ready(name, slot, loaded, spec.name, wire_dtype(spec.dtype), claim.shape, question.outputs)

    def predict_again(self, ready: Ready, data: bytes, offset: int) -> Answer | None:
        """Answer numbers that begin at the offset; None where another deployment is live by now. Raises RequestError."""
        with ready.slot.lease() as loaded:
            if loaded is None or loaded is not ready.loaded:
                return None
            array = np.frombuffer(data[offset:], ready.dtype)  # a copy, so that it is aligned
            self._check_finite(loaded, array, ready.input)
            outputs = self._run(loaded, {ready.input: array.reshape(ready.shape)})
            wanted = {each: outputs[each] for each in ready.outputs} if ready.outputs else outputs
            return Answer(loaded, self.models.is_stale(ready.model), wanted, outputs[loaded.engine.signature.outputs[0].name])

    def describe(self, model: str, version: str) -> Description:
        """Raises RequestError."""
        name, slot = self.models.find(model)
        with slot.lease() as held:
            loaded = _served(held, name, version)
            engine, stale = loaded.engine, self.models.is_stale(name)
            return Description(loaded.identity, stale, engine.signature, loaded.task, loaded.labels, engine.kind, engine.problem)

    def _run(self, loaded: Loaded, inputs: dict[str, Array]) -> dict[str, Array]:
        try:
            outputs = loaded.engine.run(inputs)
        except BadInput as error:
            raise BadRequest(f"inputs.{error.field}" if error.field else "inputs", error.problem) from None
        except EngineUnavailable as error:
            raise ModelUnavailable(loaded.identity.model, str(error)) from error
        except EngineError as error:
            raise _refusal(loaded.engine.signature, error) from error
        for name, output in outputs.items():
            if not all_finite(output):
                self.note_not_finite(loaded.identity.model, "output")
                if self.limits.refuse_non_finite:
                    raise NotFinite(name)
                break
        return outputs

    def _bound(self, loaded: Loaded, inputs: Sequence[Claim]) -> dict[str, Array]:
        try:
            return bind(inputs, loaded.engine.signature.inputs, self.limits)
        except NotFiniteInput:
            self.note_not_finite(loaded.identity.model, "input")
            raise

    def _check_finite(self, loaded: Loaded, array: Array, name: str) -> None:
        try:
            check_finite(array, name, self.limits)
        except NotFiniteInput:
            self.note_not_finite(loaded.identity.model, "input")
            raise


def _served(held: Loaded | None, model: str, version: str) -> Loaded:
    if held is None:
        raise NothingDeployed(model)
    if version and version != str(held.identity.deploy_seq):
        raise UnknownVersion(held.identity.model, version, str(held.identity.deploy_seq))
    return held


def _refusal(signature: Signature, error: EngineError) -> BadRequest | ModelFailed:
    """Where the caller chose more than the rows, the sizes it chose may not go together."""
    if any(DYNAMIC in spec.shape[1:] for spec in signature.inputs):
        return BadRequest("inputs", "the model does not take inputs of these sizes")
    return ModelFailed(str(error))


def labels_of(loaded: Loaded, scores: Array) -> tuple[str, ...]:
    """Name the likeliest class of each row; nothing for what is no classifier over rows."""
    if loaded.task != "classification" or scores.ndim != 2:  # noqa: PLR2004 - (batch, classes)
        return ()
    one_score = scores.shape[1] == 1
    classes = np.greater(scores[:, 0], SIGMOID_MIDDLE).astype(int) if one_score else scores.argmax(axis=1)
    named = len(loaded.labels) == (2 if one_score else scores.shape[1])
    return tuple(loaded.labels[index] if named else str(index) for index in classes.tolist())


def _selected(wanted: Sequence[str], signature: Signature) -> list[str]:
    known = [spec.name for spec in signature.outputs]
    if not wanted:
        return known
    for index, name in enumerate(wanted):
        if name not in known:
            raise BadRequest(f"outputs.{name[:80]}", f"is no output of the model; it gives {', '.join(known)}")
        if name in wanted[:index]:
            raise BadRequest(f"outputs.{name}", "comes twice")
    return list(wanted)
