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

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(sorted(programs, key=lambda program: program.batch or 0))
        self._signature = _common_signature(self._programs)
        self._kept = _Kept()

    @property
    def signature(self) -> Signature:
        return self._signature

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = _check(self._signature, inputs)
        parts: list[dict[str, Array]] = []
        done = 0
        while done < rows:
            program, count = self._next(rows - done)
            parts.append(self._run_part(program, {name: value[done : done + count] for name, value in inputs.items()}, count))
            done += count
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def warm_up(self) -> None:
        for rows in (1, WARM_UP_ROWS):
            self.run({spec.name: np.zeros(_concrete(spec, rows), spec.dtype) for spec in self._signature.inputs})

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
        interpreter = self._kept.interpreter(program, tuple(given[spec.name].shape for spec in program.signature.inputs))
        for name, index in program.inputs.items():
            interpreter.set_tensor(index, given[name])
        try:
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise BadProgram(f"{program.name} does not run: {error}") from error
        answers = {name: interpreter.get_tensor(index) for name, index in program.outputs.items()}
        for name, answer in answers.items():
            if answer.ndim == 0 or answer.shape[0] != (program.batch or rows):
                raise BadProgram(f"{program.name} gives {name} of shape {answer.shape} for {program.batch or rows} rows")
        return answers if program.batch in (None, rows) else {name: answer[:rows].copy() for name, answer in answers.items()}


class _Kept(threading.local):
    """Each thread's interpreters, the least recently used one dropped first."""

    def __init__(self) -> None:
        self._of_shape: OrderedDict[tuple[int, Shapes], Interpreter] = OrderedDict()

    def interpreter(self, program: Program, shapes: Shapes) -> Interpreter:
        key = (id(program), shapes)
        if key in self._of_shape:
            self._of_shape.move_to_end(key)
        else:
            self._of_shape[key] = program.interpreter(shapes)
            if len(self._of_shape) > KEPT_SHAPES:
                self._of_shape.popitem(last=False)
        return self._of_shape[key]


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


def _concrete(spec: TensorSpec, rows: int) -> tuple[int, ...]:
    return (rows, *(1 if size == DYNAMIC else size for size in spec.shape[1:]))


def _check(signature: Signature, inputs: Mapping[str, Array]) -> int:
    names = {spec.name for spec in signature.inputs}
    for name in inputs:
        if name not in names:
            raise BadInput(name, f"the model has no such input; it has {', '.join(sorted(names))}")
    rows = {spec.name: _check_one(spec, inputs) for spec in signature.inputs}
    first = next(iter(rows))
    for name, count in rows.items():
        if count != rows[first]:
            raise BadInput(name, f"it has {count} rows, {first} has {rows[first]}")
    return rows[first]


def _check_one(spec: TensorSpec, inputs: Mapping[str, Array]) -> int:
    if spec.name not in inputs:
        raise BadInput(spec.name, "this input is missing")
    value = inputs[spec.name]
    if value.dtype != np.dtype(spec.dtype):
        raise BadInput(spec.name, f"its dtype is {value.dtype.name}, the model takes {spec.dtype}")
    fits = value.ndim == len(spec.shape) and all(want in (DYNAMIC, got) for want, got in zip(spec.shape, value.shape, strict=True))
    if not fits or 0 in value.shape:
        raise BadInput(spec.name, f"its shape is {list(value.shape)}, the model takes {list(spec.shape)} with at least one row")
    return len(value)


def _padded(value: Array, rows: int) -> Array:
    if len(value) == rows:
        return np.ascontiguousarray(value)
    padded = np.zeros((rows, *value.shape[1:]), value.dtype)
    padded[: len(value)] = value
    return padded
