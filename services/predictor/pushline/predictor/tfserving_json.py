"""TensorFlow Serving's JSON to questions, and answers back: by row (instances, predictions) or by column (inputs, outputs)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pushline.engine.engine import TEXT, Array, TensorSpec
from pushline.predictor import texts, tfserving
from pushline.predictor.errors import BadRequest
from pushline.predictor.predictions import Answer, Description, Question
from pushline.predictor.tensors import Claim

ROWS, COLUMNS = "instances", "inputs"
KINDS: dict[str, set[type]] = {"b": {bool}, "f": {int, float}, "u": {int}, "i": {int}}  # by a dtype's first letter
BASE64 = "b64"


@dataclass(frozen=True, slots=True)
class Asked:
    question: Question
    by_row: bool


def read(description: Description, version: str, body: bytes) -> Asked:
    """JSON says no datatypes, so what the model takes is known before. Raises BadRequest."""
    data = _object(body)
    signature = data.get("signature_name", "")
    if not isinstance(signature, str):
        raise BadRequest("signature_name", "is no text")
    tfserving.check_signature(signature, "")
    if (ROWS in data) == (COLUMNS in data):
        raise BadRequest("body", f"must have either {ROWS} or {COLUMNS}")
    by_row, specs = ROWS in data, description.signature.inputs
    named = _by_row(data[ROWS], specs) if by_row else _by_column(data[COLUMNS], specs)
    dtypes = {spec.name: spec.dtype for spec in specs}
    claims = [_claim(name, dtypes.get(name), value) for name, value in named.items()]
    return Asked(Question(description.identity.model, version, claims, ()), by_row)


def written(asked: Asked, answer: Answer) -> bytes:
    """Numbers that JSON does not have are written as TensorFlow Serving does: NaN, Infinity; the core lets them through or not."""
    outputs = answer.outputs
    if not asked.by_row:
        return json.dumps({"outputs": _unnamed({name: array.tolist() for name, array in outputs.items()})}).encode()
    if len({array.shape[:1] for array in outputs.values()}) > 1 or not all(array.ndim for array in outputs.values()):
        raise BadRequest(ROWS, f"the model's outputs are no rows that belong together; ask by column, with {COLUMNS}")
    return json.dumps({"predictions": _rows(outputs)}).encode()


def status(description: Description) -> dict[str, Any]:
    return _plain(tfserving.status(description))


def metadata(description: Description) -> dict[str, Any]:
    spec = tfserving.metadata(description).model_spec
    return {"model_spec": _plain(spec), "metadata": {tfserving.SIGNATURES: _plain(tfserving.signatures(description))}}


def _by_row(instances: object, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    if not isinstance(instances, list) or not instances:
        raise BadRequest(ROWS, "is no list, or an empty one")
    if not any(_is_named(each) for each in instances):
        return {_only(specs, ROWS): instances}
    names = [spec.name for spec in specs]
    for index, each in enumerate(instances):
        if not _is_named(each) or each.keys() != set(names):
            raise BadRequest(f"{ROWS}[{index}]", f"must be an object of exactly {', '.join(names)}, as the others")
    return {name: [each[name] for each in instances] for name in names}


def _by_column(inputs: object, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    return inputs if isinstance(inputs, dict) and _is_named(inputs) else {_only(specs, COLUMNS): inputs}


def _only(specs: Sequence[TensorSpec], where: str) -> str:
    if len(specs) > 1:
        raise BadRequest(where, f"the model has several inputs; send {', '.join(spec.name for spec in specs)} by name")
    return specs[0].name


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and value.keys() != {BASE64}


def _claim(name: str, dtype: str | None, value: object) -> Claim:
    where = f"{COLUMNS}.{name[:80]}"
    if dtype is None:
        return Claim(name, None, (), [])  # the core refuses the name
    shape, values = _flat(value, where)
    if dtype == TEXT:
        return Claim(name, dtype, shape, texts.utf8_or_base64(values, BASE64, where))
    kinds = set(map(type, values))
    if dict in kinds:
        raise BadRequest(where, "holds an object; the model takes numbers, and no text in base64 (b64) either")
    if not kinds <= KINDS[dtype[0]]:
        raise BadRequest(where, f"holds something that is no {dtype}")
    return Claim(name, dtype, shape, values)


def _flat(value: object, where: str) -> tuple[tuple[int, ...], list[Any]]:
    """Give the sizes of nested lists and what is in the innermost ones."""
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        size = len(level[0])
        if any(not isinstance(each, list) or len(each) != size for each in level):
            raise BadRequest(where, f"is not nested evenly at depth {len(shape) + 1}")
        shape.append(size)
        level = list(chain.from_iterable(level))  # type: ignore[arg-type]  # lists, as was just seen
    if any(isinstance(each, list) for each in level):
        raise BadRequest(where, f"is not nested evenly at depth {len(shape) + 1}")
    return tuple(shape), level


def _rows(outputs: dict[str, Array]) -> list[Any]:
    plain = [array.tolist() for array in outputs.values()]
    if len(plain) == 1:
        return list(plain[0])
    return [dict(zip(outputs, row, strict=True)) for row in zip(*plain, strict=True)]


def _unnamed(outputs: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body.decode("utf-8"), object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as error:
        sentence = "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
        raise BadRequest("body", f"is no JSON ({sentence})") from None
    if not isinstance(data, dict):
        raise BadRequest("body", "is no JSON object")
    return data


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _plain(message: Message) -> dict[str, Any]:
    """Protobuf's JSON with the names and zeros that TensorFlow Serving writes."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
