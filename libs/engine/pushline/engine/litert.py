"""Serving programs run by LiteRT. What they are made of is checked elsewhere (check.py); here they are loaded and run.

An interpreter is neither thread-safe nor free to resize, so every thread keeps a few of its own, one for each shape asked for;
all of them share the program's bytes.
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

LARGEST_BATCH = 64  # rows a dynamic program is given at once; more are split, which bounds the memory of the activations
KEPT_SHAPES = 8  # interpreters a thread keeps of one program
WARM_UP_ROWS = 32

Shapes = tuple[tuple[int, ...], ...]


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

    kind, problem = "litert", ""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(sorted(programs, key=lambda program: program.batch or 0))
        self._signature = _common_signature(self._programs)
        self._kept = _Kept()

    @property
    def signature(self) -> Signature:
        return self._signature

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        ready = self._kept.get(inputs)
        if ready is not None:
            return ready.run(inputs)
        rows = check_inputs(self._signature, inputs)
        parts: list[dict[str, Array]] = []
        done = 0
        while done < rows:
            program, count = self._next(rows - done)
            parts.append(self._run_part(program, {name: value[done : done + count] for name, value in inputs.items()}, count))
            done += count
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def warm_up(self) -> None:
        for rows in (1, WARM_UP_ROWS):
            self.run({spec.name: np.zeros(concrete(spec, rows), spec.dtype) for spec in self._signature.inputs})

    def close(self) -> None:
        self._kept, self._programs = _Kept(), ()

    def _next(self, rows: int) -> tuple[Program, int]:
        """The program for the next part and the rows it takes: all, in the smallest that holds them, else the largest, full."""
        if not self._programs:
            raise BadInput("", "the model was closed")
        if self._programs[-1].batch is None:
            return self._programs[-1], min(rows, LARGEST_BATCH)
        for program in self._programs:
            if (program.batch or 0) >= rows:
                return program, rows
        return self._programs[-1], self._programs[-1].batch or 0

    def _run_part(self, program: Program, inputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        given = {name: _padded(value, program.batch or rows) for name, value in inputs.items()}
        answers = (self._kept.get(given) or self._kept.open(program, given)).run(given)
        return answers if program.batch in (None, rows) else {name: answer[:rows].copy() for name, answer in answers.items()}


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


class _Kept(threading.local):
    """Each thread's interpreters by what they are ready for, the least recently used one dropped first."""

    def __init__(self) -> None:
        self._ready: OrderedDict[tuple[object, ...], _Ready] = OrderedDict()

    def get(self, inputs: Mapping[str, Array]) -> _Ready | None:
        key = _form(inputs)
        ready = self._ready.get(key)
        if ready is not None:
            self._ready.move_to_end(key)
        return ready

    def open(self, program: Program, inputs: Mapping[str, Array]) -> _Ready:
        ready = _Ready(program, tuple(inputs[spec.name].shape for spec in program.signature.inputs))
        self._ready[_form(inputs)] = ready
        if len(self._ready) > KEPT_SHAPES:
            self._ready.popitem(last=False)
        return ready


def _form(inputs: Mapping[str, Array]) -> tuple[object, ...]:
    return tuple([(name, value.dtype, value.shape) for name, value in inputs.items()])  # a list is quicker than a generator


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
