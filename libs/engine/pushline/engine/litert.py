"""Serving programs run by LiteRT. What they are made of is checked elsewhere (check.py); here they are loaded and run.

An interpreter is not thread-safe, so a run takes one out and puts it back, and where all are in use makes another. All map the same
file, but each packs the weights in a way of its own when it is made; to take other sizes later costs it microseconds.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pushline.engine.engine import DYNAMIC, Accepts, Array, BadInput, BadProgram, Form, RefusedInput, Signature, TensorSpec
from pushline.engine.inputs import check_inputs, concrete

LARGEST_BATCH = 64  # rows a dynamic program is given at once; more are split, which bounds the memory of the activations
WARM_UP_ROWS = (1, LARGEST_BATCH)
MOST_FORMS = 64  # of inputs that are known to fit
IN_PLACE_BYTES = 16 * 1024  # a larger input is copied by NumPy: once, where LiteRT copies what is not aligned twice
PART = 1 << 16  # numbers that are copied and looked at before the next ones, so that they still are in the processor's cache

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One flatbuffer and where its signature's tensors are in it."""

    path: Path
    batch: int | None
    signature: Signature
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.path.name


class LiteRtEngine:
    """An Engine over one program with an open batch, or several with fixed ones."""

    kind, problem, waits = "litert", "", False

    def __init__(self, programs: Sequence[Program]) -> None:
        self._pools = tuple(_Pool(program) for program in sorted(programs, key=lambda program: program.batch or 0))
        self._signature = _common_signature([pool.program for pool in self._pools])
        self._known: dict[Form, tuple[_Pool, Shapes]] = {}  # forms of inputs that one run answers

    @property
    def signature(self) -> Signature:
        return self._signature

    def run(self, inputs: Mapping[str, Array], accepts: Accepts | None = None) -> dict[str, Array]:
        form = _form(inputs)
        known = self._known.get(form)
        if known is not None:
            return known[0].run(known[1], inputs, accepts)
        rows = check_inputs(self._signature, inputs)
        pool, count = self._next(rows)
        if count == rows and pool.program.batch in (None, rows):
            return self._run_first(form, pool, inputs, accepts)
        parts: list[dict[str, Array]] = []
        done = 0
        while done < rows:
            pool, count = self._next(rows - done)
            part = {name: value[done : done + count] for name, value in inputs.items()}
            parts.append(self._run_part(pool, part, count, accepts))
            done += count
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @property
    def forms(self) -> tuple[Form, ...]:
        return tuple(self._known)

    @property
    def at_once(self) -> int:
        return max((pool.made for pool in self._pools), default=0)

    def warm_up(self, at_once: int = 1) -> None:
        batches = WARM_UP_ROWS if self._pools[0].program.batch is None else [pool.program.batch or 1 for pool in self._pools]
        for rows in batches:
            inputs = {spec.name: np.zeros(concrete(spec, rows), spec.dtype) for spec in self._signature.inputs}
            pool, _ = self._next(rows)
            pool.run_each(at_once, _shapes(pool.program, inputs), inputs)

    def close(self) -> None:
        self._known, self._pools = {}, ()

    def _next(self, rows: int) -> tuple["_Pool", int]:
        """Whose turn the next part is and the rows it takes: all, in the smallest that holds them, else the largest, full."""
        if not self._pools:
            raise BadInput("", "the model was closed")
        if self._pools[-1].program.batch is None:
            return self._pools[-1], min(rows, LARGEST_BATCH)
        for pool in self._pools:
            if (pool.program.batch or 0) >= rows:
                return pool, rows
        return self._pools[-1], self._pools[-1].program.batch or 0

    def _run_first(self, form: Form, pool: "_Pool", inputs: Mapping[str, Array], accepts: Accepts | None) -> dict[str, Array]:
        shapes = _shapes(pool.program, inputs)
        answers = pool.run(shapes, inputs, accepts)
        if len(self._known) >= MOST_FORMS:
            self._known = {}
        self._known[form] = pool, shapes
        return answers

    def _run_part(self, pool: "_Pool", inputs: Mapping[str, Array], rows: int, accepts: Accepts | None) -> dict[str, Array]:
        batch = pool.program.batch or rows
        given = {name: _padded(value, batch) for name, value in inputs.items()}
        answers = pool.run(_shapes(pool.program, given), given, accepts)
        return answers if batch == rows else {name: answer[:rows].copy() for name, answer in answers.items()}


class _Pool:
    """The interpreters of one program that no run uses at the moment."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.made = 0  # as many as ever ran at the same time
        self._idle: list[_Sized] = []
        self._lock = threading.Lock()

    def run(self, shapes: Shapes, inputs: Mapping[str, Array], accepts: Accepts | None) -> dict[str, Array]:
        """One that failed is not used again."""
        sized = self._take(shapes) or self._make()
        refused = sized.fill(shapes, inputs, accepts)
        answers = {} if refused else sized.run()
        with self._lock:
            self._idle.append(sized)
        if refused:
            raise RefusedInput(refused)
        return answers

    def run_each(self, count: int, shapes: Shapes, inputs: Mapping[str, Array]) -> None:
        """Run all of them that no run uses, once there are so many."""
        for _ in range(max(count, 1) - self.made):
            self._idle.append(self._make())
        for sized in self._idle:
            sized.fill(shapes, inputs, None)
            sized.run()

    def _make(self) -> "_Sized":
        with self._lock:
            self.made += 1
        return _Sized(self.program)

    def _take(self, shapes: Shapes) -> "_Sized | None":
        with self._lock:
            for index, sized in enumerate(self._idle):
                if sized.shapes == shapes:
                    return self._idle.pop(index)
            return self._idle.pop() if self._idle else None


class _Sized:
    """An interpreter and the shapes of inputs that it is ready for."""

    __slots__ = ("_inputs", "_interpreter", "_outputs", "_program", "shapes")

    def __init__(self, program: Program) -> None:
        self._program, self._interpreter = program, _open(program.path)
        self._inputs, self._outputs = tuple(program.inputs.items()), tuple(program.outputs.items())
        self.shapes: Shapes = ()

    def fill(self, shapes: Shapes, inputs: Mapping[str, Array], accepts: Accepts | None) -> str:
        """Take the inputs in. Gives the name of one that was not accepted, else nothing.

        NOTE: an interpreter refuses to run as long as anything refers to its memory; so no view of it leaves this method.
        """
        if shapes != self.shapes:
            self._resize(shapes)
        for given, index in self._inputs:
            values = inputs[given]
            if values.nbytes > IN_PLACE_BYTES:
                accepted = _copied(given, values, self._interpreter.tensor(index)(), accepts)
            else:
                self._interpreter.set_tensor(index, values)
                accepted = accepts is None or accepts(given, values)
            if not accepted:
                return given
        return ""

    def run(self) -> dict[str, Array]:
        interpreter, answers, name = self._interpreter, {}, self._program.name
        try:
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise BadProgram(f"{name} does not run: {error}") from error
        rows = self.shapes[0][0]
        for given, index in self._outputs:
            answers[given] = answer = interpreter.get_tensor(index)
            if answer.ndim == 0 or answer.shape[0] != rows:
                raise BadProgram(f"{name} gives {given} of shape {answer.shape} for {rows} rows")
        return answers

    def _resize(self, shapes: Shapes) -> None:
        try:
            for spec, shape in zip(self._program.signature.inputs, shapes, strict=True):
                self._interpreter.resize_tensor_input(self._program.inputs[spec.name], shape, strict=True)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise BadProgram(f"{self._program.name} does not take inputs of the shapes {list(shapes)}: {error}") from error
        self.shapes = shapes


def _copied(name: str, values: Array, inside: Array, accepts: Accepts | None) -> bool:
    """Give False where a part was not accepted."""
    source, target = values.reshape(-1), inside.reshape(-1)
    for at in range(0, source.size, PART):
        part = target[at : at + PART]
        np.copyto(part, source[at : at + PART])
        if accepts is not None and not accepts(name, part):
            return False
    return True


def _shapes(program: Program, inputs: Mapping[str, Array]) -> Shapes:
    return tuple(inputs[spec.name].shape for spec in program.signature.inputs)


def _form(inputs: Mapping[str, Array]) -> Form:
    return tuple([(name, value.dtype, value.shape) for name, value in inputs.items()])  # a list is quicker than a generator


def load(programs: Sequence[tuple[Path, int | None]]) -> LiteRtEngine:
    """Load programs (file, fixed batch or None) that were checked before. Raises BadProgram."""
    if not programs:
        raise BadProgram("no program was named")
    return LiteRtEngine([_read(path, batch) for path, batch in programs])


def _read(path: Path, batch: int | None) -> Program:
    interpreter = _open(path)
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
    return Program(path, batch, Signature(inputs, outputs), named["inputs"], named["outputs"])


def _open(path: Path) -> Interpreter:
    """NOTE: LiteRT maps the file, so its bytes are shared by all that have it open, and must not be cut short meanwhile."""
    try:
        return Interpreter(model_path=str(path), num_threads=1)
    except (RuntimeError, ValueError) as error:
        raise BadProgram(f"{path.name} is no LiteRT program: {error}") from error


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
