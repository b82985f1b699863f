"""Serving programs run by LiteRT. What they are made of is checked elsewhere (check.py); here they are loaded and run.

An interpreter is neither thread-safe nor free to resize, so a few are kept, one for each size of batch and shape asked for; a run
takes one out and puts it back, and where all are in use makes another. All share the program's bytes, but each packs the weights in
a way of its own: the larger a program, the fewer sizes of batch it is made ready for.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pushline.engine.engine import DYNAMIC, Array, BadInput, BadProgram, Signature, TensorSpec
from pushline.engine.inputs import check_inputs, concrete

BATCHES = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
)  # rows a dynamic program is given at once; others are split, which bounds the activations' memory
FEW_BATCHES, FEWEST_BATCHES = (1, 8, 64), (1, 16)
SMALL_BYTES, LARGE_BYTES = 4 << 20, 64 << 20
NEARLY_FULL = 4 / 3  # so many times its rows a batch may have
KEPT = 32  # interpreters that wait for their next run

Shapes = tuple[tuple[int, ...], ...]
Form = tuple[tuple[str, np.dtype[np.generic], tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One flatbuffer and where its signature's tensors are in it."""

    name: str
    content: bytes
    batch: int | None
    signature: Signature
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def interpreter(self, shapes: Shapes) -> Interpreter:
        interpreter = _open(self.name, self.content)
        try:
            for spec, shape in zip(self.signature.inputs, shapes, strict=True):
                interpreter.resize_tensor_input(self.inputs[spec.name], shape, strict=True)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise BadProgram(f"{self.name} does not take inputs of the shapes {list(shapes)}: {error}") from error
        return interpreter


class LiteRtEngine:
    """An Engine over one program with an open batch, or several with fixed ones."""

    kind, problem, waits = "litert", "", False

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(sorted(programs, key=lambda program: program.batch or 0))
        self._signature = _common_signature(self._programs)
        self._batches = _batches(self._programs)
        self._kept = _Kept()

    @property
    def signature(self) -> Signature:
        return self._signature

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        form = _form(inputs)
        ready = self._kept.take(form)
        if ready is not None:
            return self._answer(form, ready, inputs)
        rows = check_inputs(self._signature, inputs)
        parts: list[dict[str, Array]] = []
        done = 0
        while done < rows:
            program, batch, count = self._next(rows - done)
            parts.append(self._run_part(program, batch, {name: value[done : done + count] for name, value in inputs.items()}))
            done += count
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def warm_up(self) -> None:
        for _, batch in self._batches:
            self.run({spec.name: np.zeros(concrete(spec, batch), spec.dtype) for spec in self._signature.inputs})

    def close(self) -> None:
        self._kept, self._programs, self._batches = _Kept(), (), ()

    def _next(self, rows: int) -> tuple[Program, int, int]:
        """Give the program and batch for the next part, and how many rows are its own.

        Of fixed batches it is the smallest that holds the rows, else the largest. Of an open one too where they nearly fill it,
        else the largest that they fill.
        """
        if not self._batches:
            raise BadInput("", "the model was closed")
        program, batch = next((each for each in self._batches if each[1] >= rows), self._batches[-1])
        if program.batch is None and batch > rows * NEARLY_FULL:
            program, batch = next(each for each in reversed(self._batches) if each[1] <= rows)
        return program, batch, min(rows, batch)

    def _run_part(self, program: Program, batch: int, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = len(inputs[self._signature.inputs[0].name])
        given = {name: _padded(value, batch) for name, value in inputs.items()}
        form = _form(given)
        shapes = tuple(given[spec.name].shape for spec in program.signature.inputs)
        answers = self._answer(form, self._kept.take(form) or _Ready(program, shapes), given)
        return answers if batch == rows else {name: answer[:rows].copy() for name, answer in answers.items()}

    def _answer(self, form: Form, ready: "_Ready", inputs: Mapping[str, Array]) -> dict[str, Array]:
        answers = ready.run(inputs)
        self._kept.give(form, ready)
        return answers


class _Ready:
    """An interpreter that is ready for inputs of certain names, types and shapes, which fit the program."""

    __slots__ = ("_inputs", "_interpreter", "_name", "_outputs", "_rows")

    def __init__(self, program: Program, shapes: Shapes) -> None:
        self._interpreter, self._name, self._rows = program.interpreter(shapes), program.name, shapes[0][0]
        self._inputs, self._outputs = tuple(program.inputs.items()), tuple(program.outputs.items())

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        interpreter, answers = self._interpreter, {}
        for name, index in self._inputs:
            interpreter.set_tensor(index, inputs[name])
        try:
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise BadProgram(f"{self._name} does not run: {error}") from error
        for name, index in self._outputs:
            answers[name] = answer = interpreter.get_tensor(index)
            if answer.ndim == 0 or answer.shape[0] != self._rows:
                raise BadProgram(f"{self._name} gives {name} of shape {answer.shape} for {self._rows} rows")
        return answers


class _Kept:
    """Interpreters that no run uses, by what they are ready for; the one longest unused is dropped first."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Form, list[_Ready]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def take(self, form: Form) -> _Ready | None:
        with self._lock:
            idle = self._idle.get(form)
            if not idle:
                return None
            self._count -= 1
            return idle.pop()

    def give(self, form: Form, ready: _Ready) -> None:
        with self._lock:
            self._idle.setdefault(form, []).append(ready)
            self._idle.move_to_end(form)
            self._count += 1
            dropped = self._drop() if self._count > KEPT or len(self._idle) > KEPT else None
        del dropped  # outside the lock: freeing takes time

    def _drop(self) -> list[_Ready]:
        form = next(iter(self._idle))
        dropped = [self._idle[form].pop(0)] if self._idle[form] else []
        if not self._idle[form]:
            del self._idle[form]
        self._count -= len(dropped)
        return dropped


def _form(inputs: Mapping[str, Array]) -> Form:
    return tuple([(name, value.dtype, value.shape) for name, value in inputs.items()])  # a list is quicker than a generator


def _batches(programs: Sequence[Program]) -> tuple[tuple[Program, int], ...]:
    """Each size of batch that is made ready, ascending, and the program for it."""
    if programs[0].batch is not None:
        return tuple((program, program.batch or 0) for program in programs)
    size = len(programs[0].content)
    sizes = BATCHES if size <= SMALL_BYTES else FEW_BATCHES if size <= LARGE_BYTES else FEWEST_BATCHES
    return tuple((programs[0], batch) for batch in sizes)


def load(programs: Sequence[tuple[Path, int | None]]) -> LiteRtEngine:
    """Load programs (file, fixed batch or None) that were checked before. Raises BadProgram."""
    if not programs:
        raise BadProgram("no program was named")
    return LiteRtEngine([_read(path, batch) for path, batch in programs])


def _read(path: Path, batch: int | None) -> Program:
    content = path.read_bytes()
    interpreter = _open(path.name, content)
    signatures: dict[str, dict[str, dict[str, int]]] = interpreter._get_full_signature_list()  # noqa: SLF001 the public one has no tensor numbers
    if len(signatures) > 1:
        raise BadProgram(f"{path.name} has {len(signatures)} signatures; a serving program has one")
    details = (interpreter.get_input_details(), interpreter.get_output_details())
    named = next(iter(signatures.values()), None) or {
        "inputs": {_plain(detail["name"]): detail["index"] for detail in details[0]},
        "outputs": {_plain(detail["name"]): detail["index"] for detail in details[1]},
    }
    inputs = tuple(_spec(path.name, name, index, details[0], batch) for name, index in named["inputs"].items())
    outputs = tuple(_spec(path.name, name, index, details[1], batch) for name, index in named["outputs"].items())
    if len(inputs) != len(details[0]) or not outputs:
        raise BadProgram(
            f"{path.name} names {len(inputs)} inputs and {len(outputs)} outputs, and has {len(details[0])} and {len(details[1])}"
        )
    return Program(path.name, content, batch, Signature(inputs, outputs), named["inputs"], named["outputs"])


def _open(name: str, content: bytes) -> Interpreter:
    try:
        return Interpreter(model_content=content, num_threads=1)
    except (RuntimeError, ValueError) as error:
        raise BadProgram(f"{name} is no LiteRT program: {error}") from error


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").removesuffix(":0")


def _spec(program: str, name: str, index: int, details: Sequence[Mapping[str, Any]], batch: int | None) -> TensorSpec:
    detail = next((detail for detail in details if detail["index"] == index), None)
    if detail is None:
        raise BadProgram(f"{program} names the tensor {name}, which is none of its inputs and outputs")
    signature = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    shape = tuple(int(size) for size in signature)
    if not shape or shape[0] not in (DYNAMIC, batch):
        raise BadProgram(
            f"{program} gives {name} the shape {shape}, whose first dimension is not the batch of {batch or 'any size'}"
        )
    return TensorSpec(name, np.dtype(detail["dtype"]).name, (DYNAMIC, *shape[1:]))


def _common_signature(programs: Sequence[Program]) -> Signature:
    first = programs[0]
    for other in programs[1:]:
        if other.batch is None or first.batch in (None, other.batch):
            raise BadProgram(f"{other.name} beside {first.name}: several programs need a fixed batch each, all different")
        if _sorted(other.signature) != _sorted(first.signature):
            raise BadProgram(f"{other.name} and {first.name} differ in their inputs or outputs")
    return first.signature


def _sorted(signature: Signature) -> tuple[list[TensorSpec], list[TensorSpec]]:
    def by_name(spec: TensorSpec) -> str:
        return spec.name

    return sorted(signature.inputs, key=by_name), sorted(signature.outputs, key=by_name)


def _padded(value: Array, rows: int) -> Array:
    if len(value) == rows:
        return np.ascontiguousarray(value)
    padded = np.zeros((rows, *value.shape[1:]), value.dtype)
    padded[: len(value)] = value
    return padded
