"""The core: a question in, an answer and who gave it out. It knows no protocol; every door translates to this.

A question becomes a job: arrays that fit the model, and a hold on the deployment that was live when it came. Jobs of one form are
answered together, by one run of the engine over all their rows.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pushline.engine.engine import DYNAMIC, TEXT, Accepts, Array, BadInput, EngineError, EngineUnavailable, RefusedInput, Signature
from pushline.predictor.classes import labels_of, probabilities_of
from pushline.predictor.errors import (
    BadRequest,
    ModelFailed,
    ModelUnavailable,
    NotFinite,
    NotFiniteInput,
    NothingDeployed,
    RequestError,
    UnknownVersion,
)
from pushline.predictor.models import Models
from pushline.predictor.notes import NobodyCounts, Notes
from pushline.predictor.serving import Held, Identity, Loaded, Slot
from pushline.predictor.tensors import Claim, Limits, all_finite, bind, fits, not_finite, wire_dtype

QUICK_SECONDS = 0.0005  # what whoever must not wait may do at once
JOINED_BYTES = 64 * 1024  # a larger job is answered alone: to put it to others would cost a copy and save little


class Question(NamedTuple):
    model: str  # may be empty where one model is served
    version: str  # a deploy_seq; empty: whatever is live
    inputs: Sequence[Claim]
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

    def probabilities(self) -> Array | None:
        """One a row and class where the model is a classifier."""
        return probabilities_of(self.loaded, self.scores)


class Job(NamedTuple):
    """A question that fits its model. It is answered once, which gives the hold back."""

    model: str
    slot: Slot
    held: Held
    inputs: dict[str, Array]
    outputs: Sequence[str]
    rows: int
    form: tuple[object, ...]  # jobs of the same form are answered together
    checked: bool  # whether its numbers are known to be finite


class Alike(NamedTuple):
    """What was found out about a question with one input in bytes, to ask it again with other numbers."""

    model: str
    slot: Slot
    loaded: Loaded
    claim: Claim  # its content is of no matter
    outputs: Sequence[str]
    dtype: np.dtype[np.generic]
    size: int  # of the numbers, in bytes
    form: tuple[object, ...]


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
    notes: Notes = field(default_factory=NobodyCounts)
    own_limits: Mapping[str, Limits] = field(default_factory=dict)  # of single models

    def predict(self, question: Question) -> Answer:
        """Answer at once, in the caller's thread. Raises RequestError."""
        result = self.answer([self.prepare(question)])[0]
        if isinstance(result, RequestError):
            raise result
        return result

    def prepare(self, question: Question) -> Job:
        """Raises RequestError, and then nothing is held."""
        name, slot = self.models.find(question.model)
        held = slot.take()
        if held is None:
            nothing = NothingDeployed(name)
            nothing.of_model = name
            raise nothing
        try:
            signature = _served(held.loaded, name, question.version).engine.signature
            wanted = _selected(question.outputs, signature)
            inputs = bind(question.inputs, signature.inputs, self.own_limits.get(name, self.limits))
        except BaseException as error:
            slot.give_back(held)
            if isinstance(error, NotFiniteInput):
                self.notes.note_not_finite(name, "input")
            if isinstance(error, RequestError):
                error.of_model = name
            raise
        rows = len(inputs[signature.inputs[0].name])
        return Job(name, slot, held, inputs, wanted, rows, _form(held, inputs), checked=True)

    def alike(self, question: Question) -> Alike | None:
        """Prepare for questions like this one, which was answered; None where each needs all checks."""
        name, slot = self.models.find(question.model)
        held = slot.take()
        if held is None:
            return None
        try:
            return _alike(question, name, slot, held)
        finally:
            slot.give_back(held)

    def prepare_alike(self, alike: Alike, data: bytes, offset: int, *, checked: bool = False) -> Job | None:
        """Ask it of the numbers that begin at the offset, `checked` where they are known to be finite; None where they are not as
        many, or another deployment is live by now.
        """
        if len(data) - offset != alike.size:
            return None
        held = alike.slot.take()
        if held is None or held.loaded is not alike.loaded:
            if held is not None:
                alike.slot.give_back(held)
            return None
        claim = alike.claim
        form = alike.form if alike.size <= JOINED_BYTES else (object(), *alike.form[1:])
        array = np.frombuffer(data, alike.dtype, -1, offset).reshape(claim.shape)
        return Job(alike.model, alike.slot, held, {claim.name or "": array}, alike.outputs, claim.shape[0], form, checked)

    def is_quick(self, job: Job) -> bool:
        """Say whether it may be answered by whoever must not wait."""
        return self.seconds(job) <= QUICK_SECONDS

    def seconds(self, job: Job) -> float:
        """How long its run will take, by what those before took; infinite where that is not known or waits for another process."""
        loaded = job.held.loaded
        took = loaded.pace.seconds_a_row(job.form[1:])
        return math.inf if took is None or loaded.engine.waits else took * job.rows

    def answer(self, jobs: Sequence[Job]) -> list[Answer | RequestError]:
        """Answer jobs of one form with one run, each as if it were alone. Never raises; all are given back."""
        try:
            return self._answer(jobs)
        except Exception:  # a defect: it costs these questions their answer, not the thread that asked
            logging.getLogger(__name__).exception("questions for %s could not be answered", jobs[0].model)
            return [ModelFailed("the question could not be answered; the predictor's log has the reason") for _ in jobs]
        finally:
            for job in jobs:
                job.slot.give_back(job.held)

    def describe(self, model: str, version: str) -> Description:
        """Raises RequestError."""
        name, slot = self.models.find(model)
        with slot.lease() as held:
            loaded = _served(held, name, version)
            engine, stale = loaded.engine, self.models.is_stale(name)
            return Description(loaded.identity, stale, engine.signature, loaded.task, loaded.labels, engine.kind, engine.problem)

    def _answer(self, jobs: Sequence[Job]) -> list[Answer | RequestError]:
        try:
            outputs = self._run(jobs)
        except RequestError as error:
            if len(jobs) == 1:
                if isinstance(error, NotFiniteInput):
                    self.notes.note_not_finite(jobs[0].model, "input")
                return [error]
            return [result for job in jobs for result in self._answer([job])]
        first = jobs[0]
        stale, finite = self.models.is_stale(first.model), all(map(all_finite, outputs.values()))
        if len(jobs) == 1:
            return [self._picked(first, stale, outputs, finite)]
        results: list[Answer | RequestError] = []
        done = 0
        for job in jobs:
            rows = slice(done, done + job.rows)
            results.append(self._picked(job, stale, {name: output[rows] for name, output in outputs.items()}, finite))
            done += job.rows
        return results

    def _picked(self, job: Job, stale: bool, outputs: dict[str, Array], finite: bool) -> Answer | NotFinite:
        """`finite` says that all numbers are, those of others that were answered together included."""
        if not finite and (bad := next((name for name, output in outputs.items() if not all_finite(output)), None)) is not None:
            self.notes.note_not_finite(job.model, "output")
            if self.limits.refuse_non_finite:
                return NotFinite(bad)
        wanted = {each: outputs[each] for each in job.outputs} if job.outputs else outputs
        loaded = job.held.loaded
        return Answer(loaded, stale, wanted, outputs[loaded.engine.signature.outputs[0].name])

    def _run(self, jobs: Sequence[Job]) -> dict[str, Array]:
        first = jobs[0]
        loaded, inputs = first.held.loaded, first.inputs
        if len(jobs) > 1:
            inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in inputs}
        look = self.limits.refuse_non_finite and not all([job.checked for job in jobs])  # noqa: C419 - a list is quicker
        began = time.perf_counter()
        outputs = _outputs(loaded, inputs, _is_finite if look else None)
        rows = sum([job.rows for job in jobs])
        loaded.pace.note(first.form[1:], rows, time.perf_counter() - began)
        self.notes.note_batch(first.model, rows)
        return outputs


def _is_finite(_name: str, values: Array) -> bool:
    return all_finite(values)


def _outputs(loaded: Loaded, inputs: dict[str, Array], accepts: Accepts | None) -> dict[str, Array]:
    try:
        return loaded.engine.run(inputs, accepts)
    except RefusedInput as error:
        raise not_finite(error.field) from None
    except BadInput as error:
        raise BadRequest(f"inputs.{error.field}" if error.field else "inputs", error.problem) from None
    except EngineUnavailable as error:
        raise ModelUnavailable(loaded.identity.model, str(error)) from error
    except EngineError as error:
        raise _refusal(loaded.engine.signature, error) from error


def _form(held: Held, inputs: dict[str, Array]) -> tuple[object, ...]:
    return (id(held), *[(name, array.dtype, array.shape[1:]) for name, array in inputs.items()])


def _alike(question: Question, name: str, slot: Slot, held: Held) -> Alike | None:
    loaded = held.loaded
    if not question.model or len(question.inputs) != 1 or question.version not in ("", str(loaded.identity.deploy_seq)):
        return None
    claim, spec = question.inputs[0], loaded.engine.signature.inputs[0]
    known = {each.name for each in loaded.engine.signature.outputs}
    if not fits(claim, spec) or len(loaded.engine.signature.inputs) != 1 or not known.issuperset(question.outputs):
        return None
    dtype = wire_dtype(spec.dtype)
    size = math.prod(claim.shape) * dtype.itemsize
    form = (id(held), (spec.name, np.dtype(spec.dtype), claim.shape[1:]))
    return Alike(name, slot, loaded, claim._replace(content=b""), question.outputs, dtype, size, form)


def _served(held: Loaded | None, model: str, version: str) -> Loaded:
    if held is None:
        raise NothingDeployed(model)
    if version and version != str(held.identity.deploy_seq):
        raise UnknownVersion(held.identity.model, version, str(held.identity.deploy_seq))
    return held


def _refusal(signature: Signature, error: EngineError) -> BadRequest | ModelFailed:
    """Where the caller chose more than the rows, the sizes it chose may not go together; texts may be none of the model's."""
    if any(spec.dtype == TEXT for spec in signature.inputs):
        return BadRequest("inputs", "the model does not take these texts")
    if any(DYNAMIC in spec.shape[1:] for spec in signature.inputs):
        return BadRequest("inputs", "the model does not take inputs of these sizes")
    return ModelFailed(str(error))


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
