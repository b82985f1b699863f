"""What a model needs in memory once it is loaded and at work, estimated from its file alone. Nothing native is asked.

It is meant for a decision before loading, so it rather says too much: each interpreter packs all constants that an operator
computes with, and has room for a whole batch. What rows take on their way through a door is not in it.
"""

import math
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from pushline.engine.check import ITEM_BYTES, LARGEST_ITEM_BYTES
from pushline.engine.engine import DYNAMIC, BadProgram

LITERT_BYTES = 4 * 2**20  # LiteRT's own, with the first program
INTERPRETER_BYTES, OPERATOR_BYTES = 128 * 2**10, 4 * 2**10
SPARE = 1.1  # what planners lose by alignment and gaps
TENSORFLOW_BYTES = 600 * 2**20  # its process with a small model, half of it pages of files
COPIES = 1.2  # of model.h5: its weights, and what Keras keeps of them while it reads
READ_IN_PLACE = frozenset(
    (schema.BuiltinOperator.GATHER, schema.BuiltinOperator.GATHER_ND, schema.BuiltinOperator.EMBEDDING_LOOKUP)
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one program, in bytes but for the operators."""

    file: int
    packed: int  # constants that an interpreter has once more, in its own order
    rows: int  # of inputs and outputs, for the batch
    at_once: int  # of everything else that there is while the largest operator runs
    operators: int


def of_programs(programs: Sequence[Sizes], interpreters: int) -> int:
    """Give bytes, for so many interpreters of each that are at work at once."""
    needed = LITERT_BYTES
    for each in programs:
        at_work = SPARE * (each.packed + each.at_once + 2 * each.rows)  # rows: the interpreter's own and the caller's
        needed += each.file + interpreters * math.ceil(at_work + INTERPRETER_BYTES + each.operators * OPERATOR_BYTES)
    return needed


def of_model(file_bytes: int) -> int:
    """Give bytes, for a model.h5 of this size in TensorFlow's process."""
    return TENSORFLOW_BYTES + math.ceil(COPIES * file_bytes)


def read_sizes(path: Path, batch: int) -> Sizes:
    """Of a program that was checked; `batch` takes the place of the open dimension. Raises BadProgram, OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        try:
            model = schema.Model.GetRootAs(content, 0)
            parts = [_Subgraph(model, model.Subgraphs(number), batch) for number in range(model.SubgraphsLength())]
        except (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError) as error:
            raise BadProgram(f"{path.name} is damaged: {error}") from error
        return Sizes(
            file=len(content),
            packed=sum(part.packed for part in parts),
            rows=parts[0].rows,
            at_once=sum(part.at_once for part in parts),
            operators=sum(part.operators for part in parts),
        )


class _Subgraph:
    def __init__(self, model: Any, subgraph: Any, batch: int) -> None:  # noqa: ANN401 the schema has no types
        self.operators = int(subgraph.OperatorsLength())
        ends = {int(index) for index in (*_indices(subgraph, "Inputs"), *_indices(subgraph, "Outputs"))}
        constants: dict[int, int] = {}
        sizes: dict[int, int] = {}
        for number in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(number)
            held = int(model.Buffers(tensor.Buffer()).DataLength())
            if held:
                constants[number] = held
            else:
                sizes[number] = _bytes_of(tensor, batch)
        steps = [_Step(model, subgraph.Operators(number)) for number in range(self.operators)]
        self.packed = sum(
            constants[index] for index in {index for step in steps if step.packs for index in step.inputs} if index in constants
        )
        self.rows = sum(sizes.get(index, 0) for index in ends)
        self.at_once = _peak(steps, {index: size for index, size in sizes.items() if index not in ends})


class _Step:
    __slots__ = ("inputs", "outputs", "packs")

    def __init__(self, model: Any, operator: Any) -> None:  # noqa: ANN401 the schema has no types
        code = model.OperatorCodes(operator.OpcodeIndex())
        self.packs = max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) not in READ_IN_PLACE
        self.inputs = _indices(operator, "Inputs")
        self.outputs = (*_indices(operator, "Outputs"), *_indices(operator, "Intermediates"))


def _peak(steps: Sequence[_Step], sizes: dict[int, int]) -> int:
    """The most that is there at once, where each tensor is made by its operator and dropped after the last one that reads it."""
    last = {index: number for number, step in enumerate(steps) for index in (*step.inputs, *step.outputs)}
    held = most = 0
    there: set[int] = set()
    for number, step in enumerate(steps):
        for index in step.outputs:
            if index in sizes and index not in there:
                there.add(index)
                held += sizes[index]
        most = max(most, held)
        for index in {*step.inputs, *step.outputs} & there:
            if last[index] == number:
                there.remove(index)
                held -= sizes[index]
    return most


def _bytes_of(tensor: Any, batch: int) -> int:  # noqa: ANN401 the schema has no types
    """The first dimension that is open is the batch; others are taken as the program was made for."""
    shape, signature = _sizes(tensor, "Shape"), _sizes(tensor, "ShapeSignature")
    if len(signature) == len(shape) and DYNAMIC in signature:
        at = signature.index(DYNAMIC)
        shape = (*shape[:at], max(shape[at], 1) * batch, *shape[at + 1 :])
    return math.prod(shape) * ITEM_BYTES.get(tensor.Type(), LARGEST_ITEM_BYTES)


def _indices(table: Any, field: str) -> tuple[int, ...]:  # noqa: ANN401 the schema has no types
    return tuple(index for index in _sizes(table, field) if index >= 0)


def _sizes(table: Any, field: str) -> tuple[int, ...]:  # noqa: ANN401 the schema has no types
    read = getattr(table, field)
    return tuple(int(read(number)) for number in range(getattr(table, f"{field}Length")()))
