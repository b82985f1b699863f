"""From a Keras model to serving programs that answer as it does: one for any batch, else a few of fixed ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .freeze import Array, leaves
from .interface import TEXT, Interface, output_names
from .program import NotConverted, Opened, Tensor, convert
from .result import Failed, what

FIXED_BATCHES = (1, 8, 32)
COMPARED_ROWS = 40
TOLERANCE = 1e-3  # against gross errors alone; the evaluator judges by the whole set
CALLED_ROWS = 256


class NotCompiled(Failed):
    """The model has no form as a serving program; another engine may serve it."""


@dataclass(frozen=True)
class Exported:
    """`programs` is empty where model.h5 itself is served."""

    programs: tuple[tuple[int | None, bytes], ...]
    inputs: list[Tensor]
    outputs: list[Tensor]
    max_difference: float
    input_names: Mapping[str, str]  # the model's name to the program's
    output_names: Mapping[str, str]


class Answers:
    """The model's own answers, by name; traced once."""

    def __init__(self, model: Any, interface: Interface) -> None:  # noqa: ANN401 a Keras model
        self._model, self._interface = model, interface

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = len(next(iter(inputs.values())))
        parts = [self._part(inputs, slice(start, start + CALLED_ROWS)) for start in range(0, rows, CALLED_ROWS)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _part(self, inputs: Mapping[str, Array], rows: slice) -> dict[str, Array]:
        import tensorflow as tf  # noqa: PLC0415 the script may do without

        tensors = [tf.constant(inputs[each.name][rows]) for each in self._interface.inputs]
        answer = self._interface.call(self._model, tensors)
        return dict(zip(output_names(self._model, answer), (np.asarray(leaf) for leaf in leaves(answer)), strict=True))


def export(model: Any, interface: Interface, rows: Mapping[str, Array] | None) -> Exported:  # noqa: ANN401 a Keras model
    """Raises NotCompiled, and Failed, with the reason not_servable."""
    if any(each.dtype == TEXT for each in interface.inputs):
        raise NotCompiled("not_servable", "the model takes texts, which no serving program of builtin operators does")
    sample, answers = sampled(model, interface, rows)
    complaints = []
    for batches in ((None,), FIXED_BATCHES):
        try:
            return _compared(model, interface, batches, sample, answers)
        except NotConverted as complaint:
            complaints.append(str(complaint))
    raise NotCompiled(
        "not_servable", f"the model cannot be compiled to a serving program: {'; with fixed batches: '.join(complaints)}"
    )


def adopt(content: bytes, model: Any, interface: Interface, rows: Mapping[str, Array] | None) -> Exported:  # noqa: ANN401 a Keras model
    """A program that the script wrote itself. Raises Failed with the reason not_servable."""
    sample, answers = sampled(model, interface, rows)
    try:
        opened = Opened(content, None)
        inputs, outputs = opened.names(sample, opened.inputs), opened.names(answers, opened.outputs)
        got = opened.run({inputs[name]: array for name, array in sample.items()})
        difference = max_difference({name: got[outputs[name]] for name in answers}, answers)
    except NotConverted as complaint:
        raise Failed("not_servable", f"program.tflite, which the script wrote, cannot be used: {complaint}") from complaint
    return Exported(((None, content),), opened.inputs, opened.outputs, difference, inputs, outputs)


def sampled(model: Any, interface: Interface, rows: Mapping[str, Array] | None) -> tuple[dict[str, Array], dict[str, Array]]:  # noqa: ANN401 a Keras model
    """Give rows to compare by, and the model's own answers to them. Raises Failed with the reason not_servable."""
    sample = {name: array[:COMPARED_ROWS] for name, array in (rows or made_up(interface)).items()}
    return sample, _answered(model, interface, sample)


def max_difference(got: Mapping[str, Array], want: Mapping[str, Array]) -> float:
    """Raises NotConverted where the answers are not the same within the tolerance."""
    largest = 0.0
    for name in sorted(set(got) & set(want)):
        if got[name].shape != want[name].shape:
            raise NotConverted(f"the compiled program gives {name} of the shape {got[name].shape}, the model {want[name].shape}")
        difference = np.abs(got[name].astype("float64") - want[name].astype("float64"))
        allowed = TOLERANCE * np.maximum(1.0, np.abs(want[name].astype("float64")))
        if not np.all(difference <= allowed):
            raise NotConverted(f"the compiled program's {name} differs from the model's by {difference.max():.3g}")
        largest = max(largest, float(difference.max(initial=0.0)))
    return largest


def _answered(model: Any, interface: Interface, sample: Mapping[str, Array]) -> dict[str, Array]:  # noqa: ANN401 a Keras model
    try:
        answers = Answers(model, interface)(sample)
    except Exception as error:
        raise Failed("not_servable", f"the model does not answer its own data: {what(error)}") from error
    for name, answer in answers.items():
        if answer.ndim == 0 or len(answer) != len(next(iter(sample.values()))):
            raise Failed("not_servable", f"the model's {name} has the shape {answer.shape}, not one row for each of the input")
        if not np.all(np.isfinite(answer)):
            raise Failed("not_servable", f"the model answers {name} with NaN or infinite values")
    return answers


def _compared(
    model: Any,  # noqa: ANN401 a Keras model
    interface: Interface,
    batches: tuple[int | None, ...],
    sample: Mapping[str, Array],
    answers: Mapping[str, Array],
) -> Exported:
    programs = []
    difference = 0.0
    for batch in batches:
        content = convert(
            lambda tensors: interface.call(model, tensors), interface.inputs, batch, lambda got: output_names(model, got)
        )
        opened = Opened(content, batch)
        for rows in (1, 3, COMPARED_ROWS):
            difference = max(difference, max_difference(opened.run(_first(sample, rows)), _first(answers, rows)))
        programs.append((batch, content))
    inputs, outputs = opened.names(sample, opened.inputs), opened.names(answers, opened.outputs)
    return Exported(tuple(programs), opened.inputs, opened.outputs, difference, inputs, outputs)


def _first(arrays: Mapping[str, Array], rows: int) -> dict[str, Array]:
    return {name: array[:rows] for name, array in arrays.items()}


def made_up(interface: Interface) -> dict[str, Array]:
    random = np.random.default_rng(0)
    made = {}
    for each in interface.inputs:
        shape = (COMPARED_ROWS, *(size or 1 for size in each.shape[1:]))
        if each.dtype == TEXT:
            made[each.name] = np.full(shape, b"a text")
            continue
        made[each.name] = (random.normal(size=shape) if each.dtype.startswith("float") else random.integers(0, 2, shape)).astype(
            each.dtype
        )
    return made
