"""Calls of gRPC that are wrong in some way: right messages changed field by field, then byte by byte, or bytes that are no message.

`call(seed, number)` is always the same one, so that whatever was found can be asked again.
"""

import random
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from benchmarks.hostile import requests, tfserving_fuzz
from benchmarks.hostile.subject import INFER, LIGHT_MODEL, MIXED_MODEL
from open_inference import open_inference_grpc_pb2 as oip
from pushline.serving.v1 import serving_pb2

SERVICE = INFER.rpartition("/")[0]
PREDICT = "/pushline.serving.v1.Predictor/Predict"
METHODS = {INFER: 48, PREDICT: 12, f"{SERVICE}/ModelMetadata": 6, f"{SERVICE}/ModelReady": 4, f"{SERVICE}/ServerMetadata": 2}
METHODS |= {f"{SERVICE}/ServerReady": 2, f"{SERVICE}/ServerLive": 2, f"{SERVICE}/RepositoryIndex": 2}
METHODS |= {tfserving_fuzz.PREDICT: 18, tfserving_fuzz.METADATA: 2, tfserving_fuzz.STATUS: 2}
LONG = 40_000
NAMES = (
    "",
    "x",
    "y",
    "output_0",
    "tokens",
    "scale",
    LIGHT_MODEL,
    MIXED_MODEL,
    "other",
    "ß\U0001f600",
    "\0",
    "../..",
    "x" * LONG,
    "%s%n",
    "'",
)
DATATYPES = ("FP32", "FP16", "FP64", "INT8", "INT32", "INT64", "UINT64", "BOOL", "BYTES", "BF16", "", "fp32", "\0", "F" * LONG)
SIZES = (0, 1, 2, 3, 4, 5, -1, 65537, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, 1e-45, 3.4e38, -3.4e38, float("nan"), float("inf"), float("-inf"))
INTEGERS = (0, 1, -1, 127, 128, 2**31 - 1, -(2**31))
WIDE = (*INTEGERS, 2**53 + 1, 2**63 - 1, -(2**63))
VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
Chance = random.Random


def call(seed: int, number: int) -> tuple[str, bytes]:
    """Give a method and the bytes to send to it."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - chance that can be repeated, no secret
    method = chance.choices(list(METHODS), list(METHODS.values()))[0]
    data = _message(method, chance).SerializeToString()
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 5))):
        data = chance.choice(BYTE_CHANGES)(data, chance)
    return method, data


def _message(method: str, chance: Chance) -> Message:
    if method == INFER or chance.random() < 0.02:  # now and then a message of another method
        return _infer(chance)
    if method == PREDICT:
        return _predict(chance)
    if method.startswith("/tensorflow."):
        return tfserving_fuzz.message(method, chance)
    name, version = chance.choice(NAMES), chance.choice(("", "1", "2", "-1", "latest", "9" * LONG))
    return oip.ModelMetadataRequest(name=name, version=version)


def _infer(chance: Chance) -> oip.ModelInferRequest:
    message = oip.ModelInferRequest.FromString(requests.raw(LIGHT_MODEL, chance.choice((1, 1, 1, 2, 3, 4))))
    if chance.random() < 0.3:
        del message.raw_input_contents[:]
        message.inputs[0].contents.fp32_contents.extend([1.0] * message.inputs[0].shape[0] * 4)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 6))):
        chance.choice(INFER_CHANGES)(message, chance)
    return message


def _predict(chance: Chance) -> serving_pb2.PredictRequest:
    message = serving_pb2.PredictRequest(model=LIGHT_MODEL, x=serving_pb2.Tensor(shape=[1, 4], values=[1, 2, 3, 4]))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        tensor = chance.choice((message.x, message.inputs[chance.choice(NAMES)] if chance.random() < 0.3 else message.x))
        what = chance.randrange(5)
        if what == 0:
            message.model = chance.choice(NAMES)
        elif what == 1:
            tensor.shape[:] = _shape(chance)
        elif what == 2:
            tensor.values.extend(_some(chance, FLOATS))
        elif what == 3:
            tensor.values[:] = [chance.choice(FLOATS) for _ in tensor.values]
        else:
            message.ClearField("x")
    return message


def _names(message: oip.ModelInferRequest, chance: Chance) -> None:
    message.model_name = chance.choice(NAMES)


def _version(message: oip.ModelInferRequest, chance: Chance) -> None:
    message.model_version = chance.choice(("1", "2", "-1", "latest", "9" * LONG))


def _id(message: oip.ModelInferRequest, chance: Chance) -> None:
    message.id = chance.choice(NAMES)


def _claimed_shape(message: oip.ModelInferRequest, chance: Chance) -> None:
    if tensor := _tensor(message, chance):
        tensor.shape[:] = _shape(chance)


def _claimed_datatype(message: oip.ModelInferRequest, chance: Chance) -> None:
    if tensor := _tensor(message, chance):
        tensor.datatype = chance.choice(DATATYPES)


def _input_name(message: oip.ModelInferRequest, chance: Chance) -> None:
    if tensor := _tensor(message, chance):
        tensor.name = chance.choice(NAMES)


def _typed_contents(message: oip.ModelInferRequest, chance: Chance) -> None:
    if tensor := _tensor(message, chance):
        contents = tensor.contents
        fields = (
            (contents.fp32_contents, FLOATS),
            (contents.fp64_contents, FLOATS),
            (contents.int_contents, INTEGERS),
            (contents.int64_contents, WIDE),
            (contents.uint_contents, (0, 1, 2**32 - 1)),
            (contents.uint64_contents, (0, 1, 2**64 - 1)),
            (contents.bool_contents, (True, False)),
            (contents.bytes_contents, (b"", b"\xff" * 9)),
        )
        field, values = chance.choice(fields)
        field.extend(_some(chance, values))


def _raw_contents(message: oip.ModelInferRequest, chance: Chance) -> None:
    numbers = [chance.choice(FLOATS) for _ in range(chance.choice((0, 1, 3, 4, 4, 4, 5, 16)))]
    data = struct.pack(f"<{len(numbers)}f", *numbers) + bytes(chance.choice((0, 0, 0, 1, 3)))
    if message.raw_input_contents and chance.random() < 0.7:
        message.raw_input_contents[0] = data
    else:
        message.raw_input_contents.append(data)


def _many_inputs(message: oip.ModelInferRequest, chance: Chance) -> None:
    for number in range(chance.choice((1, 2, 50, 2000))):
        message.inputs.add(name=chance.choice(("x", f"x{number}")), datatype="FP32", shape=[1, 4])


def _outputs(message: oip.ModelInferRequest, chance: Chance) -> None:
    for _ in range(chance.choice((1, 2, 50, 2000))):
        message.outputs.add(name=chance.choice(NAMES[:9]))


def _parameters(message: oip.ModelInferRequest, chance: Chance) -> None:
    parameter = message.parameters[chance.choice(NAMES)]
    parameter.int64_param = chance.choice(WIDE)
    if tensor := _tensor(message, chance):
        tensor.parameters["binary_data_size"].int64_param = chance.choice(WIDE)


def _nothing(message: oip.ModelInferRequest, chance: Chance) -> None:
    message.ClearField(chance.choice(("inputs", "raw_input_contents", "model_name")))


INFER_CHANGES: tuple[Callable[[oip.ModelInferRequest, Chance], None], ...] = (
    *(_names, _version, _id, _claimed_shape, _claimed_shape, _claimed_datatype, _input_name, _typed_contents),
    *(_raw_contents, _raw_contents, _many_inputs, _outputs, _parameters, _nothing),
)


def _flip(data: bytes, chance: Chance) -> bytes:
    if not data:
        return b"\x08"
    place = chance.randrange(min(len(data), 400))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def _cut(data: bytes, chance: Chance) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _twice(data: bytes, chance: Chance) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data + data[start : start + 2000]


def _unknown_field(data: bytes, chance: Chance) -> bytes:
    number = chance.choice((9, 15, 16, 1000, 2**29 - 1))
    kind = chance.randrange(8)
    return data + _varint(number << 3 | kind) + chance.choice((b"", b"\x01", bytes(8), _varint(2**63), b"\xff" * 11))


def _longer(data: bytes, chance: Chance) -> bytes:
    """What begins as a right request and goes on in bytes of its own."""
    return data + chance.choice((bytes(16), bytes(32), struct.pack("<4f", 1, 2, 3, 4), data[-18:]))


def _claimed_length(data: bytes, chance: Chance) -> bytes:
    """A field that says it is longer than all memory."""
    return (
        data + _varint(chance.randrange(1, 9) << 3 | LENGTH) + _varint(chance.choice((2**31 - 1, 2**31, 2**40, 2**63, 2**64 - 1)))
    )


def _bad_text(data: bytes, chance: Chance) -> bytes:
    text = chance.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\xf5\x80\x80\x80"))
    return _varint(chance.randrange(1, 4) << 3 | LENGTH) + _varint(len(text)) + text + data


def _deep(data: bytes, chance: Chance) -> bytes:
    """Groups in groups, or messages in messages."""
    depth = chance.choice((50, 101, 5000))
    if chance.random() < 0.5:
        return data + _varint(9 << 3 | START_GROUP) * depth + _varint(9 << 3 | END_GROUP) * depth
    inner = b""
    for _ in range(min(depth, 500)):
        inner = _varint(chance.choice((4, 5)) << 3 | LENGTH) + _varint(len(inner)) + inner
    return data + inner


def _noise(_data: bytes, chance: Chance) -> bytes:
    return chance.randbytes(chance.choice((1, 2, 5, 20, 300, 5000)))


BYTE_CHANGES = (_flip, _flip, _flip, _cut, _twice, _longer, _unknown_field, _claimed_length, _bad_text, _deep, _noise)


def _tensor(message: oip.ModelInferRequest, chance: Chance) -> oip.ModelInferRequest.InferInputTensor | None:
    return chance.choice(message.inputs) if message.inputs else None


def _shape(chance: Chance) -> list[int]:
    rank = chance.choice((0, 1, 2, 2, 2, 3, 9, 5000))
    return [chance.choice(SIZES) for _ in range(rank)]


def _some(chance: Chance, values: tuple[Any, ...]) -> list[Any]:
    return [chance.choice(values) for _ in range(chance.choice((0, 1, 3, 4, 4, 2000)))]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
