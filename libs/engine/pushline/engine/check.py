"""Is this file a program that may be opened? Programs are written by strangers' code: this reads the flatbuffer in Python, where a
wrong offset is an exception, before anything native sees it. Whether it runs, and what it answers, is proved elsewhere.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from pushline.engine.engine import BadProgram

MAX_BYTES = 256 * 1024 * 1024
MAX_TENSOR_BYTES = 1024 * 1024 * 1024
MAX_TENSORS = 100_000
MAX_SUBGRAPHS = 1_000
IDENTIFIER = b"TFL3"
VERSION = 3

# What a request can carry; inside a program others appear too.
ITEM_BYTES = {
    schema.TensorType.FLOAT16: 2,
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.FLOAT64: 8,
    schema.TensorType.INT8: 1,
    schema.TensorType.INT16: 2,
    schema.TensorType.INT32: 4,
    schema.TensorType.INT64: 8,
    schema.TensorType.UINT8: 1,
    schema.TensorType.UINT16: 2,
    schema.TensorType.UINT32: 4,
    schema.TensorType.UINT64: 8,
    schema.TensorType.BOOL: 1,
}
LARGEST_ITEM_BYTES = 16
FOREIGN = {
    schema.BuiltinOperator.CUSTOM: "a custom operator",
    schema.BuiltinOperator.DELEGATE: "a delegate",
    schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES: "no operator",
}
OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def check_program(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Raise BadProgram, with a sentence, unless the file is a LiteRT flatbuffer of builtin operators within the bounds."""
    size = path.stat().st_size
    if size > max_bytes:
        raise BadProgram(f"{path.name} is {size} bytes, {max_bytes} are allowed")
    content = path.read_bytes()
    if len(content) < 2 * len(IDENTIFIER) or content[4:8] != IDENTIFIER:
        raise BadProgram(f"{path.name} is no LiteRT flatbuffer")
    try:
        _check_model(schema.Model.GetRootAs(content, 0), len(content))
    except (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise BadProgram(f"{path.name} is damaged: {error}") from error
    except BadProgram as error:
        raise BadProgram(f"{path.name} {error}") from error


def _check_model(model: Any, size: int) -> None:  # noqa: ANN401 the schema has no types
    if model.Version() != VERSION:
        raise BadProgram(f"has the version {model.Version()}, {VERSION} is known")
    _check_operators(model)
    _check_buffers(model, size)
    if not 1 <= model.SubgraphsLength() <= MAX_SUBGRAPHS:
        raise BadProgram(f"has {model.SubgraphsLength()} subgraphs, 1 to {MAX_SUBGRAPHS} are allowed")
    subgraphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
    if sum(subgraph.TensorsLength() + subgraph.OperatorsLength() for subgraph in subgraphs) > MAX_TENSORS:
        raise BadProgram(f"has more than {MAX_TENSORS} tensors and operators")
    for subgraph in subgraphs:
        _check_subgraph(subgraph, model)
    _check_interface(subgraphs[0])
    _check_signatures(model, subgraphs[0])


def _check_operators(model: Any) -> None:  # noqa: ANN401 the schema has no types
    if model.OperatorCodesLength() > len(OPERATORS) * 10:
        raise BadProgram(f"has {model.OperatorCodesLength()} operator codes")
    for number in range(model.OperatorCodesLength()):
        operator = model.OperatorCodes(number)
        code = max(operator.BuiltinCode(), operator.DeprecatedBuiltinCode())
        if operator.CustomCode() is not None or code in FOREIGN:
            name = (operator.CustomCode() or b"").decode("utf-8", "replace")[:80]
            raise BadProgram(f"needs {name or FOREIGN.get(code, 'a custom operator')}; only builtin operators are allowed")
        if code not in OPERATORS:
            raise BadProgram(f"needs the operator {code}, which is not known")


def _check_buffers(model: Any, size: int) -> None:  # noqa: ANN401 the schema has no types
    if model.ExternalBuffersLength() or model.ExternalBufferGroupsLength():
        raise BadProgram("keeps data in other files")
    if model.BuffersLength() > MAX_TENSORS:
        raise BadProgram(f"has {model.BuffersLength()} buffers, {MAX_TENSORS} are allowed")
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.DataLength():
            buffer.Data(buffer.DataLength() - 1)  # raises outside the file
        if buffer.Offset() + buffer.Size() > size:
            raise BadProgram(f"has a buffer that ends outside the file ({number})")


def _check_subgraph(subgraph: Any, model: Any) -> None:  # noqa: ANN401 the schema has no types
    for number in range(subgraph.TensorsLength()):
        _check_tensor(subgraph.Tensors(number), model.BuffersLength())
    for number in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(number)
        if operator.OpcodeIndex() >= model.OperatorCodesLength():
            raise BadProgram(f"has an operator of a kind it does not list ({operator.OpcodeIndex()})")
        for tensor in (*_numbers(operator, "Inputs"), *_numbers(operator, "Outputs"), *_numbers(operator, "Intermediates")):
            _check_index(tensor, subgraph, lowest=-1)
    for tensor in (*_numbers(subgraph, "Inputs"), *_numbers(subgraph, "Outputs")):
        _check_index(tensor, subgraph, lowest=0)


def _numbers(table: Any, field: str) -> Iterator[int]:  # noqa: ANN401 the schema has no types
    read = getattr(table, field)
    length: int = getattr(table, f"{field}Length")()
    if length > MAX_TENSORS:
        raise BadProgram(f"has an operator with {length} {field.lower()}")
    return (int(read(number)) for number in range(length))


def _check_index(tensor: int, subgraph: Any, lowest: int) -> None:  # noqa: ANN401 the schema has no types
    if not lowest <= tensor < subgraph.TensorsLength():
        raise BadProgram(f"names the tensor {tensor} of {subgraph.TensorsLength()}")


def _check_tensor(tensor: Any, buffers: int) -> None:  # noqa: ANN401 the schema has no types
    if tensor.Buffer() >= max(buffers, 1):
        raise BadProgram(f"has a tensor in the buffer {tensor.Buffer()} of {buffers}")
    shape = tuple(_numbers(tensor, "Shape"))
    if any(length < 0 for length in shape):
        raise BadProgram(f"has a tensor of the shape {shape}")
    if math.prod(shape) * ITEM_BYTES.get(tensor.Type(), LARGEST_ITEM_BYTES) > MAX_TENSOR_BYTES:
        raise BadProgram(f"has a tensor of the shape {shape}, {MAX_TENSOR_BYTES} bytes are allowed")


def _check_interface(main: Any) -> None:  # noqa: ANN401 the schema has no types
    if not main.InputsLength() or not main.OutputsLength():
        raise BadProgram("has no input or no output")
    for index in (*_numbers(main, "Inputs"), *_numbers(main, "Outputs")):
        name = (main.Tensors(index).Name() or b"").decode()[:80]  # raises where it is no text
        if main.Tensors(index).Type() not in ITEM_BYTES:
            raise BadProgram(f"takes or gives {name!r}, which is no numbers")


def _check_signatures(model: Any, main: Any) -> None:  # noqa: ANN401 the schema has no types
    if model.SignatureDefsLength() > 1:
        raise BadProgram(f"has {model.SignatureDefsLength()} signatures, one is allowed")
    for number in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(number)
        if signature.SubgraphIndex() != 0:
            raise BadProgram("has a signature of a subgraph that is not the main one")
        named = [signature.Inputs(index) for index in range(min(signature.InputsLength(), MAX_TENSORS))]
        named += [signature.Outputs(index) for index in range(min(signature.OutputsLength(), MAX_TENSORS))]
        for tensor in named:
            _check_index(int(tensor.TensorIndex()), main, lowest=0)
            if not (tensor.Name() or b"").decode().isprintable() or not tensor.Name():
                raise BadProgram(f"has the signature name {tensor.Name()!r}")
