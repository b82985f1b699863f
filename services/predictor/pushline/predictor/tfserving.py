"""TensorFlow Serving's messages to questions, and answers back. Translation alone; the core checks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import Int64Value

from pushline.engine.engine import TEXT, Array, TensorSpec
from pushline.predictor.errors import BadRequest, TooLarge
from pushline.predictor.oip import little_endian_bytes
from pushline.predictor.predictions import Answer, Description, Question
from pushline.predictor.serving import Identity
from pushline.predictor.tensors import Claim
from pushline.tfserving.v1 import tfserving_pb2 as pb

SIGNATURE = "serving_default"
METHOD = "tensorflow/serving/predict"
SIGNATURES = "signature_def"  # the one metadata field that there is
SIGNATURES_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"  # the name that clients unpack
KEPT = 512  # parts of answers
MOST_DIMENSIONS = 254  # TensorFlow's own limit


class Kind(NamedTuple):
    code: pb.DataType.ValueType
    field: str  # of TensorProto
    bits: str  # NumPy's name of what one value is kept as


KINDS = {
    "bool": Kind(pb.DT_BOOL, "bool_val", "bool"),
    "uint8": Kind(pb.DT_UINT8, "int_val", "uint8"),
    "uint16": Kind(pb.DT_UINT16, "int_val", "uint16"),
    "uint32": Kind(pb.DT_UINT32, "uint32_val", "uint32"),
    "uint64": Kind(pb.DT_UINT64, "uint64_val", "uint64"),
    "int8": Kind(pb.DT_INT8, "int_val", "int8"),
    "int16": Kind(pb.DT_INT16, "int_val", "int16"),
    "int32": Kind(pb.DT_INT32, "int_val", "int32"),
    "int64": Kind(pb.DT_INT64, "int64_val", "int64"),
    "float16": Kind(pb.DT_HALF, "half_val", "uint16"),
    "float32": Kind(pb.DT_FLOAT, "float_val", "float32"),
    "float64": Kind(pb.DT_DOUBLE, "double_val", "float64"),
    TEXT: Kind(pb.DT_STRING, "string_val", TEXT),
}
DTYPES = {kind.code: dtype for dtype, kind in KINDS.items()}
NARROW = frozenset({"int_val", "half_val"})  # fields whose numbers may be wider than the tensor's
FIELDS = sorted({kind.field for kind in KINDS.values()})


@dataclass(slots=True)
class Filling:
    """How many bytes one request may still have filled in: what it claims beyond what it sends, all inputs together."""

    most_rows: int
    bytes_left: int
    takes: Callable[[str, Sequence[int]], bool]  # whether the model has an input of this name and shape; nothing else is filled

    def up(self, given: Array, name: str, shape: Sequence[int]) -> Array:
        """Repeat the last value up to the shape; none at all are zeros, as TensorFlow has it. Raises TooLarge."""
        where, count = f"inputs.{name[:80]}", math.prod(shape)
        if not self.takes(name, shape):
            return given  # the core refuses the shape, or the name
        if shape and shape[0] > self.most_rows:
            raise TooLarge(f"{where}.tensor_shape", f"has {shape[0]} rows; the limit is {self.most_rows} a request")
        if count * given.itemsize > self.bytes_left:
            raise TooLarge(f"{where}.tensor_shape", "asks for more values to be filled in than the largest request may hold")
        self.bytes_left -= count * given.itemsize
        filled = np.full(count, given[-1] if given.size else 0, given.dtype)
        filled[: given.size] = given
        return filled


def question(request: pb.PredictRequest, filling: Filling) -> Question:
    """Raises BadRequest for what the messages themselves forbid, TooLarge."""
    model, version = asked(request.model_spec, named=request.HasField("model_spec"))
    claims = [_claim(name, tensor, filling) for name, tensor in request.inputs.items()]
    return Question(model, version, claims, list(request.output_filter))


def asked(spec: pb.ModelSpec, *, named: bool) -> tuple[str, str]:
    """Give model and version; `named` says whether the request had a model_spec at all. Raises BadRequest."""
    if not named:
        raise BadRequest("model_spec", "is missing")
    if spec.version_label:
        raise BadRequest("model_spec.version_label", "is not supported; leave it out for what is live, or ask for a version")
    check_signature(spec.signature_name, "model_spec.")
    return spec.name, str(spec.version.value) if spec.HasField("version") else ""


def check_signature(name: str, where: str) -> None:
    """Raises BadRequest."""
    if name not in ("", SIGNATURE):
        raise BadRequest(f"{where}signature_name", f"is {name[:80]!r}; the only signature is {SIGNATURE}")


def check_metadata_fields(fields: Sequence[str]) -> None:
    """Raises BadRequest."""
    if not fields or any(field != SIGNATURES for field in fields):
        raise BadRequest("metadata_field", f"must be {SIGNATURES}, which is the only one")


def response(answer: Answer) -> pb.PredictResponse:
    """Answer in the field of the type, as TensorFlow Serving does: many clients read float_val and never make an array of it."""
    outputs = {name: _tensor(array, KINDS[array.dtype.name]) for name, array in answer.outputs.items()}
    return pb.PredictResponse(model_spec=_spec(answer.identity, SIGNATURE), outputs=outputs)


def metadata(description: Description) -> pb.GetModelMetadataResponse:
    packed = Any(type_url=SIGNATURES_TYPE, value=signatures(description).SerializeToString())
    return pb.GetModelMetadataResponse(model_spec=_spec(description.identity, ""), metadata={SIGNATURES: packed})


def signatures(description: Description) -> pb.SignatureDefMap:
    signature = pb.SignatureDef(method_name=METHOD)
    for tensors, specs in ((signature.inputs, description.signature.inputs), (signature.outputs, description.signature.outputs)):
        for spec in specs:
            tensors[spec.name].CopyFrom(_info(spec))
    return pb.SignatureDefMap(signature_def={SIGNATURE: signature})


def status(description: Description) -> pb.GetModelStatusResponse:
    """One version is served at a time. One whose process is being started again is loading, as far as a caller can tell."""
    state = pb.ModelVersionStatus.LOADING if description.problem else pb.ModelVersionStatus.AVAILABLE
    said = pb.StatusProto(error_code=pb.UNAVAILABLE if description.problem else pb.OK, error_message=description.problem)
    one = pb.ModelVersionStatus(version=description.identity.deploy_seq, state=state, status=said)
    return pb.GetModelStatusResponse(model_version_status=[one])


def _claim(name: str, tensor: pb.TensorProto, filling: Filling) -> Claim:
    where = f"inputs.{name[:80]}"
    if tensor.tensor_shape.unknown_rank or len(tensor.tensor_shape.dim) > MOST_DIMENSIONS:
        raise BadRequest(f"{where}.tensor_shape", f"must be known, with at most {MOST_DIMENSIONS} dimensions")
    shape = tuple([dim.size for dim in tensor.tensor_shape.dim])
    dtype = DTYPES.get(tensor.dtype)
    if dtype is None:
        return Claim(name, _name_of(tensor.dtype), shape, b"")  # the core refuses the datatype
    if dtype == TEXT:  # whole, and in their own field, as TensorFlow writes them
        _check_fields(tensor, KINDS[TEXT].field, where)
        if tensor.tensor_content:
            raise BadRequest(f"{where}.tensor_content", "must be empty; texts are read from string_val")
        return Claim(name, dtype, shape, list(tensor.string_val))
    if tensor.tensor_content:
        _check_fields(tensor, "tensor_content", where)
        return Claim(name, dtype, shape, tensor.tensor_content)
    _check_fields(tensor, KINDS[dtype].field, where)
    return Claim(name, dtype, shape, little_endian_bytes(_typed(tensor, KINDS[dtype], shape, name, filling)))


def _typed(tensor: pb.TensorProto, kind: Kind, shape: tuple[int, ...], name: str, filling: Filling) -> Array:
    where = f"inputs.{name[:80]}"
    values = list(getattr(tensor, kind.field))
    given: Array = np.array(values, np.int32 if kind.field in NARROW else kind.bits)
    kept = given.astype(kind.bits)
    if kind.field in NARROW and not np.array_equal(kept, given):
        raise BadRequest(f"{where}.{kind.field}", f"holds a number that does not fit {pb.DataType.Name(kind.code)}")
    if any(size < 1 for size in shape):
        return kept  # the core refuses the shape
    count = math.prod(shape)
    if kept.size > count:
        raise BadRequest(f"{where}.{kind.field}", f"has {kept.size} values; its shape needs {count}")
    return kept if kept.size == count else filling.up(kept, name, shape)


def _tensor(array: Array, kind: Kind) -> pb.TensorProto:
    tensor = pb.TensorProto(dtype=kind.code, tensor_shape=_shape(array.shape))
    getattr(tensor, kind.field).extend(array.ravel().view(kind.bits).tolist())
    return tensor


def _check_fields(tensor: pb.TensorProto, used: str, where: str) -> None:
    others = [field for field in FIELDS if field != used and len(getattr(tensor, field))]
    if others:
        raise BadRequest(f"{where}.{others[0]}", f"must be empty; the values of this tensor are read from {used}")


def _name_of(code: int) -> str:
    known = pb.DataType.values()
    return pb.DataType.Name(pb.DataType.ValueType(code)) if code in known else f"DataType {code}"


@lru_cache(maxsize=KEPT)
def _spec(identity: Identity, signature: str) -> pb.ModelSpec:
    return pb.ModelSpec(name=identity.model, version=Int64Value(value=identity.deploy_seq), signature_name=signature)


def _info(spec: TensorSpec) -> pb.TensorInfo:
    return pb.TensorInfo(name=f"{spec.name}:0", dtype=KINDS[spec.dtype].code, tensor_shape=_shape(spec.shape))


@lru_cache(maxsize=KEPT)
def _shape(sizes: tuple[int, ...]) -> pb.TensorShapeProto:
    return pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in sizes])
