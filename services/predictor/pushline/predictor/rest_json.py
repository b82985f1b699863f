"""The Open Inference Protocol's JSON to questions, and answers back; binary tensors follow behind the JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pushline.engine.engine import TEXT, Array, TensorSpec
from pushline.predictor import quick_json, texts
from pushline.predictor.errors import BadRequest, NotFinite
from pushline.predictor.oip import DATATYPES, NUMPY, little_endian_bytes
from pushline.predictor.packed import Unclear, has_words, packed
from pushline.predictor.predictions import Answer, Description, Question
from pushline.predictor.serving import Identity
from pushline.predictor.telling import Listed
from pushline.predictor.tensors import Claim, Scalars

KINDS: dict[str, set[type]] = {"B": {bool, int}, "F": {int, float}, "U": {int}, "I": {int}}  # by a datatype's first letter
BIGGEST = 2**64
KEPT = 512  # beginnings of answers
Numbers = Callable[[list[Any], Sequence[int], str, str], bytes | Scalars]


@dataclass(frozen=True, slots=True)
class Asked:
    question: Question
    id: str | None
    binary: frozenset[str] | bool  # outputs wanted as bytes: these, all or none


class Body(NamedTuple):
    content: bytes
    json_size: int | None  # None: it is JSON alone


def read(model: str, version: str, body: bytes, json_size: int | None) -> Asked:
    """Raises BadRequest. `json_size` is given where numbers follow the JSON."""
    if json_size is not None and json_size > len(body):
        raise BadRequest("Inference-Header-Content-Length", f"is {json_size}; the body has {len(body)} bytes")
    head, tail = (body, b"") if json_size is None else (body[:json_size], body[json_size:])
    data = quick_json.loads(head)
    if data is not None:
        try:
            return _asked(model, version, data, tail, _packed_checked if has_words(head) else _packed)
        except (BadRequest, Unclear):
            pass  # the long way says what is wrong, if anything is
    return _asked(model, version, _object(head), tail, _one_by_one)


def _asked(model: str, version: str, data: dict[str, Any], tail: bytes, numbers: Numbers) -> Asked:
    rest = _Rest(tail)
    claims = [_claim(each, index, rest, numbers) for index, each in enumerate(_objects(data, "inputs", ""))]
    rest.check_empty()
    named = data.get("id")
    if named is not None and not isinstance(named, str):
        raise BadRequest("id", "is no text")
    outputs = _objects(data, "outputs", "") if "outputs" in data else []
    names = [_text(each, "name", f"outputs[{index}].") for index, each in enumerate(outputs)]
    return Asked(Question(model, version, claims, names), named, _binary(data, outputs, names))


def written(asked: Asked, answer: Answer) -> Body:
    """Raises NotFinite where a number that JSON does not have is to be written in JSON."""
    tensors, tail = [], []
    for name, array in answer.outputs.items():
        beginning = _tensor_head(name, array.dtype, array.shape)
        if asked.binary is True or (asked.binary is not False and name in asked.binary):
            tail.append(little_endian_bytes(array))
            tensors.append(b'%s"parameters":{"binary_data_size":%d}}' % (beginning, len(tail[-1])))
        else:
            tensors.append(b'%s"data":%s}' % (beginning, _plain(name, array)))
    named = b"" if asked.id is None else b'"id":%s,' % json.dumps(asked.id).encode()
    content = b'{%s%s"outputs":[%s]}' % (named, _head(answer.identity, answer.stale), b",".join(tensors))
    return Body(content + b"".join(tail), len(content)) if tail else Body(content, None)


@lru_cache(maxsize=KEPT)
def _head(identity: Identity, stale: bool) -> bytes:
    head = {"model_name": identity.model, "model_version": str(identity.deploy_seq), "parameters": _parameters(identity, stale)}
    return quick_json.dumps(head)[1:-1] + b","


@lru_cache(maxsize=KEPT)
def _tensor_head(name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    return quick_json.dumps({"name": name, "datatype": DATATYPES[dtype.name], "shape": shape})[:-1] + b","


def listed(models: Sequence[Listed]) -> list[dict[str, str]]:
    return [each._asdict() for each in models]


def ready_only(body: bytes) -> bool:
    """Read what Triton's clients say when they ask for the list of models. Raises BadRequest."""
    return _flag(_object(body), "ready", "", default=False) if body else False


def described(description: Description) -> dict[str, object]:
    identity = description.identity
    return {
        "name": identity.model,
        "versions": [str(identity.deploy_seq)],
        "platform": description.platform,
        "inputs": _specs(description.signature.inputs),
        "outputs": _specs(description.signature.outputs),
        "parameters": {
            **_parameters(identity, description.stale),
            "task": description.task,
            "labels": list(description.labels),
        },
    }


class _Rest:
    """The bytes behind the JSON, taken in the order of the inputs."""

    def __init__(self, content: bytes) -> None:
        self._content, self._taken = content, 0

    def take(self, size: int, where: str) -> bytes:
        if size > len(self._content) - self._taken:
            raise BadRequest(where, f"is {size}; {len(self._content) - self._taken} bytes are left in the body")
        self._taken += size
        return self._content[self._taken - size : self._taken]

    def check_empty(self) -> None:
        if self._taken != len(self._content):
            raise BadRequest("body", f"has {len(self._content) - self._taken} bytes more than its inputs name")


def _claim(tensor: dict[str, Any], index: int, rest: _Rest, numbers: Numbers) -> Claim:
    where = f"inputs[{index}]."
    name, datatype = _text(tensor, "name", where), _text(tensor, "datatype", where)
    shape = tensor.get("shape")
    if not isinstance(shape, list) or any(type(size) is not int or abs(size) >= BIGGEST for size in shape):
        raise BadRequest(f"inputs.{name[:80]}.shape", "is missing or no list of whole numbers")
    return Claim(name, NUMPY.get(datatype, datatype[:20]), tuple(shape), _content(tensor, name, datatype, rest, numbers))


def _content(tensor: dict[str, Any], name: str, datatype: str, rest: _Rest, numbers: Numbers) -> bytes | Scalars:
    where = f"inputs.{name[:80]}."
    size = _parameters_of(tensor, where).get("binary_data_size")
    if size is not None:
        if "data" in tensor:
            raise BadRequest(f"{where}data", "must not be there where binary_data_size is")
        if type(size) is not int or size < 0:
            raise BadRequest(f"{where}parameters.binary_data_size", "is no whole number of bytes")
        return rest.take(size, f"{where}parameters.binary_data_size")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise BadRequest(f"{where}data", "is missing or no list")
    return numbers(data, tensor["shape"], datatype, f"{where}data")


def _packed(data: list[Any], shape: Sequence[int], datatype: str, _where: str) -> bytes:
    """Where no true and no false stand in the JSON."""
    return packed(data, shape, datatype)


def _packed_checked(data: list[Any], shape: Sequence[int], datatype: str, _where: str) -> bytes:
    if bool in set(map(type, data)) or any(type(each) is list for each in data):
        raise Unclear
    return packed(data, shape, datatype)


def _one_by_one(data: list[Any], shape: Sequence[int], datatype: str, where: str) -> Scalars:
    return _numbers(_flat(data, shape, where), datatype, where)


def _flat(data: list[Any], shape: Sequence[int], where: str) -> list[Any]:
    """Nested lists are taken where they are nested as the shape says; a flat one is taken as it is."""
    level = data
    for depth, size in enumerate(shape):
        if not any(isinstance(each, list) for each in level):
            return level
        if depth == len(shape) - 1 or not all(isinstance(each, list) and len(each) == shape[depth + 1] for each in level):
            break
        if depth == 0 and len(level) != size:
            break
        level = [value for each in level for value in each]
    if any(isinstance(each, list) for each in level):
        raise BadRequest(where, "is not nested as its shape says")
    return level


def _numbers(values: list[Any], datatype: str, where: str) -> Scalars:
    if datatype == DATATYPES[TEXT]:
        return texts.utf8(values, where)
    allowed = KINDS.get(datatype[:1]) if datatype in NUMPY else None
    if allowed is None:
        return []  # the core refuses the datatype
    if not set(map(type, values)) <= allowed:
        raise BadRequest(where, f"holds something that is no {datatype}")
    if any(type(value) is int and not -BIGGEST < value < BIGGEST for value in values):
        if datatype[0] != "F":
            raise BadRequest(where, f"holds a number that does not fit {datatype}")
        values = _as_floats(values, datatype, where)
    return _checked_range(values, datatype, where)


def _as_floats(values: list[Any], datatype: str, where: str) -> list[Any]:
    try:
        return [float(value) for value in values]
    except OverflowError:
        raise BadRequest(where, f"holds a number that does not fit {datatype}") from None


def _checked_range(values: list[Any], datatype: str, where: str) -> Scalars:
    low, high = (0, BIGGEST) if datatype.startswith("U") else (-BIGGEST // 2, BIGGEST // 2)
    if datatype[0] in "UIB" and any(not low <= value < high for value in values):
        raise BadRequest(where, f"holds a number that does not fit {datatype}")
    return values


def _binary(data: dict[str, Any], outputs: list[dict[str, Any]], names: list[str]) -> frozenset[str] | bool:
    all_of_them = _flag(_parameters_of(data, ""), "binary_data_output", "parameters.", default=False)
    if not outputs:
        return all_of_them
    wheres = [f"outputs.{name[:80]}." for name in names]
    flags = [
        _flag(_parameters_of(each, where), "binary_data", f"{where}parameters.", default=all_of_them)
        for each, where in zip(outputs, wheres, strict=True)
    ]
    return frozenset(name for name, wanted in zip(names, flags, strict=True) if wanted)


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as error:
        raise BadRequest("body", f"is no JSON ({_short(error)})") from None
    if not isinstance(data, dict):
        raise BadRequest("body", "is no JSON object")
    return data


def _short(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _objects(data: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    found = data.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{where}{name}", "is missing or no list of objects")
    return found


def _text(data: dict[str, Any], name: str, where: str) -> str:
    found = data.get(name)
    if not isinstance(found, str):
        raise BadRequest(f"{where}{name}", "is missing or no text")
    return found


def _parameters_of(data: dict[str, Any], where: str) -> dict[str, Any]:
    found = data.get("parameters", {})
    if not isinstance(found, dict):
        raise BadRequest(f"{where}parameters", "is no object")
    return found


def _flag(data: dict[str, Any], name: str, where: str, *, default: bool) -> bool:
    found = data.get(name, default)
    if not isinstance(found, bool):
        raise BadRequest(f"{where}{name}", "is neither true nor false")
    return found


def _plain(name: str, array: Array) -> bytes:
    """NOTE: JSON has null for a number that it does not have, and of numbers and truths null alone has this letter."""
    plain = quick_json.dumps(array.ravel().tolist())
    if b"n" in plain:
        raise NotFinite(name)
    return plain


def _parameters(identity: Identity, stale: bool) -> dict[str, object]:
    return {
        "model": identity.model,
        "digest": identity.digest,
        "commit": identity.commit,
        "run_id": identity.run_id,
        "deploy_seq": identity.deploy_seq,
        "stale": stale,
    }


def _specs(specs: Sequence[TensorSpec]) -> list[dict[str, object]]:
    return [{"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": list(spec.shape)} for spec in specs]
