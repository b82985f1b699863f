"""Between arrays and the messages of the Open Inference Protocol, in raw bytes: exact for every dtype, quick for large arrays."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from open_inference import open_inference_grpc_pb2 as pb
from pushline.client.answers import Answer, Array, Model, Tensor
from pushline.client.convert import TEXT, converted, packed, unpacked
from pushline.client.errors import BadRequest, PredictionFailed

Input = npt.ArrayLike | Mapping[str, npt.ArrayLike]
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": TEXT,
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}
LABELS = "labels"  # asked for, and answered, in a parameter of this name


def request_of(x: Input, model: Model, asked: str, version: str) -> pb.ModelInferRequest:
    """`asked` is the model's name as the caller gave it. Raises BadRequest that names the input."""
    request = pb.ModelInferRequest(model_name=asked, model_version=version)
    request.parameters[LABELS].bool_param = True
    for tensor, value in _by_name(x, model):
        array = converted(tensor.name, value, tensor.dtype)
        request.inputs.add(name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=array.shape)
        request.raw_input_contents.append(packed(array) if tensor.dtype == TEXT else _little_endian(array).tobytes())
    return request


def answer_of(response: pb.ModelInferResponse) -> Answer:
    """Raises PredictionFailed for what is no answer to request_of."""
    if len(response.raw_output_contents) != len(response.outputs) or not response.outputs:
        raise PredictionFailed("INTERNAL", "the answer has not one content in bytes for each output")
    outputs = {
        output.name: _array_of(output, raw) for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }
    said = response.parameters
    return Answer(
        y=outputs[response.outputs[0].name],
        outputs=outputs,
        labels=tuple(json.loads(said[LABELS].string_param)) if LABELS in said else (),
        model=response.model_name,
        digest=said["digest"].string_param,
        commit=said["commit"].string_param,
        deploy_seq=said["deploy_seq"].int64_param,
        run_id=said["run_id"].string_param,
        stale=said["stale"].bool_param,
    )


def model_of(response: pb.ModelMetadataResponse) -> Model:
    return Model(response.name, int(response.versions[0]), _tensors(response.inputs), _tensors(response.outputs))


def _by_name(x: Input, model: Model) -> Iterable[tuple[Tensor, npt.ArrayLike]]:
    names = ", ".join(tensor.name for tensor in model.inputs)
    if not isinstance(x, Mapping):
        if len(model.inputs) > 1:
            raise BadRequest("INVALID_ARGUMENT", f"x: the model has several inputs; give {names} by name")
        return [(model.inputs[0], x)]
    known = {tensor.name for tensor in model.inputs}
    for name in x:
        if name not in known:
            raise BadRequest("INVALID_ARGUMENT", f"{str(name)[:80]}: is no input of the model; it takes {names}")
    for tensor in model.inputs:
        if tensor.name not in x:
            raise BadRequest("INVALID_ARGUMENT", f"{tensor.name}: is missing; the model takes {names}")
    return [(tensor, x[tensor.name]) for tensor in model.inputs]


def _array_of(output: pb.ModelInferResponse.InferOutputTensor, raw: bytes) -> Array:
    dtype = _dtype(output.name, output.datatype)
    array: Array = unpacked(raw) if dtype == TEXT else np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)
    return array.reshape(tuple(output.shape))


def _tensors(tensors: Iterable[pb.ModelMetadataResponse.TensorMetadata]) -> tuple[Tensor, ...]:
    return tuple(Tensor(tensor.name, _dtype(tensor.name, tensor.datatype), tuple(tensor.shape)) for tensor in tensors)


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    if datatype not in DTYPES:
        raise PredictionFailed("UNIMPLEMENTED", f"{name}: is {datatype[:20]}, which this client does not know")
    return DTYPES[datatype]


def _little_endian(array: Array) -> Array:
    return array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("<"))
