"""The Open Inference Protocol's messages to questions, and answers back. Translation alone; the core checks."""

import json
import sys
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from open_inference import open_inference_grpc_pb2 as pb
from pushline.engine.engine import TEXT, Array, TensorSpec
from pushline.predictor.errors import BadRequest
from pushline.predictor.predictions import Answer, Description, Question
from pushline.predictor.serving import Identity
from pushline.predictor.telling import Listed
from pushline.predictor.tensors import Claim, Scalars

KEPT = 512  # beginnings of answers
LABELS = "labels"  # a parameter: in a request whether to say them, in the answer a JSON list
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    TEXT: "BYTES",  # in inputs alone
}
NUMPY = {datatype: dtype for dtype, datatype in DATATYPES.items()}
CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def question(request: pb.ModelInferRequest) -> Question:
    """Raises BadRequest for what the protocol itself forbids."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise BadRequest("raw_input_contents", f"has {len(raw)} entries for {len(request.inputs)} inputs")
    claims = [_claim(tensor, raw[index] if raw else None) for index, tensor in enumerate(request.inputs)]
    return Question(request.model_name, request.model_version, claims, [output.name for output in request.outputs])


def response(request: pb.ModelInferRequest, answer: Answer) -> pb.ModelInferResponse:
    """Answer in the form asked; FP16 exists only as raw contents, for all outputs then."""
    raw = bool(request.raw_input_contents) or any(output.dtype == np.float16 for output in answer.outputs.values())
    message = _named(answer.identity, answer.stale)
    message.id = request.id
    if wants_labels(request):
        message.MergeFromString(labels(answer))
    for name, array in answer.outputs.items():
        tensor = message.outputs.add(name=name, datatype=DATATYPES[array.dtype.name], shape=array.shape)
        if raw:
            message.raw_output_contents.append(little_endian_bytes(array))
        else:
            getattr(tensor.contents, CONTENTS[tensor.datatype]).extend(array.ravel().tolist())
    return message


def metadata(description: Description) -> pb.ModelMetadataResponse:
    identity = description.identity
    return pb.ModelMetadataResponse(
        name=identity.model,
        versions=[str(identity.deploy_seq)],
        platform=description.platform,
        inputs=_tensors(description.signature.inputs),
        outputs=_tensors(description.signature.outputs),
        properties={
            **_words(identity),
            "deploy_seq": str(identity.deploy_seq),
            "stale": str(description.stale).lower(),
            "task": description.task,
            "labels": ",".join(description.labels),
        },
    )


def index(models: Sequence[Listed]) -> pb.RepositoryIndexResponse:
    entry = pb.RepositoryIndexResponse.ModelIndex
    return pb.RepositoryIndexResponse(models=[entry(**each._asdict()) for each in models])


def serialized(request: pb.ModelInferRequest, answer: Answer) -> bytes:
    """What response() says, in bytes."""
    if not request.raw_input_contents:
        return response(request, answer).SerializeToString()
    own = pb.ModelInferResponse(id=request.id).SerializeToString() if request.id else b""
    return beginning(answer) + own + (labels(answer) if wants_labels(request) else b"") + numbers(answer)


def beginning(answer: Answer) -> bytes:
    """All but id and numbers.

    NOTE: messages of protobuf that stand one behind the other are one message, so what many answers share is made once.
    """
    shapes = tuple([(name, array.dtype, array.shape) for name, array in answer.outputs.items()])
    return _head(answer.identity, answer.stale) + _shapes(shapes)


def wants_labels(request: pb.ModelInferRequest) -> bool:
    return LABELS in request.parameters and request.parameters[LABELS].bool_param


def labels(answer: Answer) -> bytes:
    text = json.dumps(answer.labels(), ensure_ascii=False)
    return pb.ModelInferResponse(parameters={LABELS: pb.InferParameter(string_param=text)}).SerializeToString()


def numbers(answer: Answer) -> bytes:
    return pb.ModelInferResponse(
        raw_output_contents=[little_endian_bytes(array) for array in answer.outputs.values()]
    ).SerializeToString()


@lru_cache(maxsize=KEPT)
def _head(identity: Identity, stale: bool) -> bytes:
    return _named(identity, stale).SerializeToString()


@lru_cache(maxsize=KEPT)
def _shapes(outputs: tuple[tuple[str, np.dtype[np.generic], tuple[int, ...]], ...]) -> bytes:
    tensor = pb.ModelInferResponse.InferOutputTensor
    tensors = [tensor(name=name, datatype=DATATYPES[dtype.name], shape=shape) for name, dtype, shape in outputs]
    return pb.ModelInferResponse(outputs=tensors).SerializeToString()


def _named(identity: Identity, stale: bool) -> pb.ModelInferResponse:
    message = pb.ModelInferResponse(model_name=identity.model, model_version=str(identity.deploy_seq))
    for name, text in _words(identity).items():
        message.parameters[name].string_param = text
    message.parameters["deploy_seq"].int64_param = identity.deploy_seq
    message.parameters["stale"].bool_param = stale
    return message


def _claim(tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> Claim:
    dtype = NUMPY.get(tensor.datatype) or tensor.datatype[:20] or "empty"
    if raw is None:
        return Claim(tensor.name, dtype, tuple(tensor.shape), _typed(tensor))
    if tensor.HasField("contents") and tensor.contents.ListFields():
        raise BadRequest(f"inputs.{tensor.name[:80]}.contents", "must be empty where raw_input_contents is used")
    return Claim(tensor.name, dtype, tuple(tensor.shape), raw)


def _typed(tensor: pb.ModelInferRequest.InferInputTensor) -> Scalars:
    filled = [field.name for field, _ in tensor.contents.ListFields()]
    where, wanted = f"inputs.{tensor.name[:80]}.contents", CONTENTS.get(tensor.datatype)
    if wanted is None and tensor.datatype in NUMPY:
        raise BadRequest(where, f"{tensor.datatype} has no typed contents; use raw_input_contents")
    if any(name != wanted for name in filled):
        raise BadRequest(where, f"{tensor.datatype[:20] or 'no datatype'} takes {wanted}, not {', '.join(filled)}")
    return list(getattr(tensor.contents, wanted)) if wanted else []


def _words(identity: Identity) -> dict[str, str]:
    return {"model": identity.model, "digest": identity.digest, "commit": identity.commit, "run_id": identity.run_id}


def little_endian_bytes(array: Array) -> bytes:
    return array.tobytes() if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("<")).tobytes()


def _tensors(specs: Sequence[TensorSpec]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=DATATYPES[spec.dtype], shape=spec.shape) for spec in specs
    ]
