"""Calls of TensorFlow Serving's API that are wrong in some way: right messages with some of their fields changed."""

import random
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from benchmarks.hostile.subject import LIGHT_MODEL, MIXED_MODEL
from pushline.tfserving.v1 import tfserving_pb2 as pb

Chance = random.Random
PREDICTION = "/tensorflow.serving.PredictionService"
PREDICT, METADATA = f"{PREDICTION}/Predict", f"{PREDICTION}/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
MODELS = (LIGHT_MODEL, MIXED_MODEL, "other", "", "ß", "\0", "m" * 40_000)
NAMES = ("x", "tokens", "scale", "", "y", "\0", "x" * 40_000)
SIZES = (0, 1, 2, 3, 4, 5, -1, 65537, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
VERSIONS = (0, 1, 2, -1, 2**63 - 1)
FLOATS = (0.0, -0.0, 1e-45, 3.4e38, float("nan"), float("inf"), float("-inf"))
INTEGERS = (0, 1, -1, 255, 256, 65535, 2**31 - 1, -(2**31))
WIDE = (*INTEGERS, 2**53 + 1, 2**63 - 1, -(2**63))
UNSIGNED = (0, 1, 2**32 - 1)


def message(method: str, chance: Chance) -> Message:
    if method == PREDICT:
        return _predict(chance)
    spec = _spec(chance)
    if method == STATUS:
        return pb.GetModelStatusRequest(model_spec=spec)
    fields = chance.choice((["signature_def"], ["signature_def"], [], ["other"], ["signature_def"] * 2000, ["f" * 40_000]))
    return pb.GetModelMetadataRequest(model_spec=spec, metadata_field=fields)


def _predict(chance: Chance) -> pb.PredictRequest:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=LIGHT_MODEL))
    tensor = request.inputs["x"]
    tensor.dtype = pb.DT_FLOAT
    for size in (1, 4):
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend([1.0, 2.0, 3.0, 4.0])
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 6))):
        chance.choice(CHANGES)(request, chance)
    return request


def _spec(chance: Chance) -> pb.ModelSpec:
    spec = pb.ModelSpec(
        name=chance.choice(MODELS), signature_name=chance.choice(("", "", "serving_default", "other", "s" * 40_000))
    )
    if chance.random() < 0.3:
        spec.version.value = chance.choice(VERSIONS)
    elif chance.random() < 0.2:
        spec.version_label = chance.choice(("stable", "", "l" * 40_000))
    return spec


def _asked(request: pb.PredictRequest, chance: Chance) -> None:
    request.model_spec.CopyFrom(_spec(chance))


def _nobody(request: pb.PredictRequest, chance: Chance) -> None:
    request.ClearField(chance.choice(("model_spec", "inputs")))


def _claimed_shape(request: pb.PredictRequest, chance: Chance) -> None:
    shape = request.inputs[chance.choice(NAMES[:3])].tensor_shape
    del shape.dim[:]
    for _ in range(chance.choice((0, 1, 2, 2, 2, 3, 9, 300))):
        shape.dim.add(size=chance.choice(SIZES))
    shape.unknown_rank = chance.random() < 0.1


def _claimed_dtype(request: pb.PredictRequest, chance: Chance) -> None:
    request.inputs[chance.choice(NAMES[:3])].dtype = chance.choice((*pb.DataType.values(), 4711))  # type: ignore[assignment] # any number


def _values(request: pb.PredictRequest, chance: Chance) -> None:
    tensor = request.inputs[chance.choice(NAMES[:3])]
    fields: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (tensor.float_val, FLOATS),
        (tensor.double_val, FLOATS),
        (tensor.int_val, INTEGERS),
        (tensor.half_val, INTEGERS),
        (tensor.int64_val, WIDE),
        (tensor.uint32_val, UNSIGNED),
        (tensor.uint64_val, (0, 1, 2**64 - 1)),
        (tensor.bool_val, (True, False)),
        (tensor.string_val, (b"", b"\xff" * 9)),
    )
    field, values = chance.choice(fields)
    if chance.random() < 0.5:
        del field[:]
    field.extend([chance.choice(values) for _ in range(chance.choice((0, 1, 3, 4, 5, 3000)))])


def _content(request: pb.PredictRequest, chance: Chance) -> None:
    tensor = request.inputs["x"]
    if chance.random() < 0.7:
        tensor.ClearField("float_val")
    tensor.tensor_content = chance.randbytes(chance.choice((0, 1, 15, 16, 16, 17, 5000)))


def _names(request: pb.PredictRequest, chance: Chance) -> None:
    for number in range(chance.choice((1, 1, 500))):
        request.inputs[chance.choice(NAMES) if number == 0 else f"x{number}"].dtype = pb.DT_FLOAT


def _wanted(request: pb.PredictRequest, chance: Chance) -> None:
    request.output_filter.extend([chance.choice(("output_0", *NAMES[:-1])) for _ in range(chance.choice((1, 2, 2000)))])


CHANGES: tuple[Callable[[pb.PredictRequest, Chance], None], ...] = (
    *(_asked, _nobody, _claimed_shape, _claimed_shape, _claimed_dtype, _values, _values, _content, _names, _wanted),
)
