"""A serving program: a LiteRT flatbuffer of builtin operators. Made from a Keras model, named, opened, run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .freeze import Array, leaves
from .interface import Input
from .noise import dropped

ALIGNMENT = 16  # of constants in the file, as the schema demands
DYNAMIC = -1


class NotConverted(Exception):
    """TensorFlow's converter, or LiteRT, refuses the model; the message is a sentence."""


@dataclass(frozen=True)
class Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}


def convert(call: Callable[..., Any], inputs: Sequence[Input], batch: int | None, names: Callable[[Any], list[str]]) -> bytes:
    """Compile `call(*tensors)` for one batch size, or for any. Raises NotConverted."""
    import tensorflow as tf  # noqa: PLC0415 the script may do without

    specs = [tf.TensorSpec((batch, *each.shape[1:]), each.dtype, name=f"input_{number}") for number, each in enumerate(inputs)]
    said: list[str] = []

    def flat(*tensors: Any) -> list[Any]:  # noqa: ANN401 TensorFlow's
        answer = call(tensors)
        said[:] = names(answer)
        return [tf.convert_to_tensor(leaf) for leaf in leaves(answer)]

    try:
        with dropped():
            function = tf.function(flat, autograph=False).get_concrete_function(*specs)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            content = converter.convert()
    except Exception as error:
        raise NotConverted(_first_complaint(error)) from error
    return with_signature(content, [each.name for each in inputs], said)


def with_signature(content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The same program with a signature: its inputs and outputs by name, in their order. Raises NotConverted."""
    import flatbuffers  # type: ignore[import-untyped] # noqa: PLC0415 comes with TensorFlow, without types
    from tensorflow.lite.python import schema_py_generated as schema  # noqa: PLC0415 likewise

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    main = model.subgraphs[0]
    if len(main.inputs) != len(inputs) or len(main.outputs) != len(outputs):
        raise NotConverted(f"the compiled program takes {len(main.inputs)} inputs of {len(inputs)}")
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    order = [main.tensors[index].name.decode() for index in main.inputs]
    positions = [order.index(f"input_{number}") if f"input_{number}" in order else number for number in range(len(inputs))]
    signature.inputs = [_tensor_map(schema, name, main.inputs[at]) for name, at in zip(inputs, positions, strict=True)]
    signature.outputs = [_tensor_map(schema, name, index) for name, index in zip(outputs, main.outputs, strict=True)]
    model.signatureDefs = [signature]
    for buffer in model.buffers:
        _align(buffer, schema)
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor_map(schema: Any, name: str, index: int) -> Any:  # noqa: ANN401 the schema has no types
    tensor_map = schema.TensorMapT()
    tensor_map.name, tensor_map.tensorIndex = name.encode(), int(index)
    return tensor_map


def _align(buffer: Any, schema: Any) -> None:  # noqa: ANN401 the schema has no types
    """The flatbuffers package writes vectors of bytes unaligned; kernels read them as numbers."""
    data = buffer.data
    if data is None:
        return

    def pack(builder: Any) -> int:  # noqa: ANN401 a flatbuffers.Builder
        content = bytes(np.asarray(data, dtype=np.uint8))
        builder.StartVector(1, len(content), ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))

    buffer.Pack = pack


def _first_complaint(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)
    return told.rpartition("error: ")[2][:300]


class Opened:
    """A program in TensorFlow's own LiteRT interpreter: to read its signature and compare its answers, once."""

    def __init__(self, content: bytes, batch: int | None) -> None:
        import tensorflow as tf  # noqa: PLC0415 the script may do without

        self._content, self._batch, self._open = content, batch, tf.lite.Interpreter
        interpreter = self._interpreter()
        signatures = interpreter._get_full_signature_list()  # noqa: SLF001 the public one has no tensor numbers
        details = interpreter.get_input_details(), interpreter.get_output_details()
        known = next(iter(signatures.values()), None)
        self._inputs: Mapping[str, int] = known["inputs"] if known else {_plain(each["name"]): each["index"] for each in details[0]}
        self._outputs: Mapping[str, int] = (
            known["outputs"] if known else {_plain(each["name"]): each["index"] for each in details[1]}
        )
        self.inputs = [_tensor(name, index, details[0]) for name, index in self._inputs.items()]
        self.outputs = [_tensor(name, index, details[1]) for name, index in self._outputs.items()]

    @staticmethod
    def names(keras: Iterable[str], own: Sequence[Tensor]) -> dict[str, str]:
        """Keras' names to the program's own: the same ones, or one for one. Raises NotConverted."""
        told, found = sorted(keras), sorted(each.name for each in own)
        if told != found and (len(told), len(found)) != (1, 1):
            raise NotConverted(f"its names are {', '.join(found)}, the model's {', '.join(told)}")
        return dict(zip(told, found, strict=True))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Any number of rows. Raises NotConverted."""
        rows = len(next(iter(inputs.values())))
        size = self._batch or rows
        try:
            with dropped():
                interpreter = self._interpreter()
                for name, index in self._inputs.items():
                    interpreter.resize_tensor_input(index, (size, *inputs[name].shape[1:]))
                interpreter.allocate_tensors()
                parts = [self._part(interpreter, inputs, start, size) for start in range(0, rows, size)]
        except (RuntimeError, ValueError) as error:
            raise NotConverted(f"the compiled program does not run: {str(error)[:300]}") from error
        return {name: np.concatenate([part[name] for part in parts])[:rows] for name in self._outputs}

    def _part(self, interpreter: Any, inputs: Mapping[str, Array], start: int, size: int) -> dict[str, Array]:  # noqa: ANN401 untyped
        for name, index in self._inputs.items():
            rows = inputs[name][start : start + size]
            missing = np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)
            interpreter.set_tensor(index, np.concatenate([rows, missing]))
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def _interpreter(self) -> Any:  # noqa: ANN401 untyped
        try:
            with dropped():
                return self._open(model_content=self._content, num_threads=1)
        except (RuntimeError, ValueError) as error:
            raise NotConverted(f"it is no LiteRT program: {str(error)[:300]}") from error


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").removesuffix(":0")


def _tensor(name: str, index: int, details: Sequence[Mapping[str, Any]]) -> Tensor:
    detail = next((each for each in details if each["index"] == index), None)
    if detail is None:
        raise NotConverted(f"its signature names {name}, which is none of its inputs and outputs")
    signature = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return Tensor(name, np.dtype(detail["dtype"]).name, (DYNAMIC, *(int(size) for size in signature[1:])))
