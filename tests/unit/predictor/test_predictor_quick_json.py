"""The quick way through JSON says what the long way says, or leaves it to that."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.predictor import packed, quick_json, rest_json
from pushline.predictor.errors import BadRequest

NUMBERS = st.one_of(st.integers(-(2**66), 2**66), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none())
DATATYPES = st.sampled_from(["BOOL", "FP16", *packed.CODES])
JSON = st.recursive(NUMBERS | st.text(':"\\ab', max_size=4), lambda inner: st.lists(inner) | st.dictionaries(st.text(":ab"), inner))


def long_way(body: bytes) -> dict[str, Any] | None:
    try:
        return rest_json._object(body)
    except BadRequest:
        return None


@given(st.dictionaries(st.text(":ab"), JSON))
def test_what_is_read_quickly_is_what_the_long_way_reads(data: dict[str, Any]) -> None:
    body = json.dumps(data).encode()
    found = quick_json.loads(body)

    assert found is None or json.dumps(found) == json.dumps(json.loads(body, parse_int=_as_orjson))


def _as_orjson(text: str) -> int | float:
    """Whole numbers beyond 64 bits are floats there."""
    return int(text) if -(2**63) <= int(text) < 2**64 else float(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"inputs":[{"name":"x","name":"y"}]}',
        b'{"parameters":{"a":{"b":1,"b":2}}}',
        b'{"a":[1,{"b":1,"b":2}]}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":1}}',
        b"[]",
        b"",
    ],
)
def test_a_key_twice_and_what_is_no_json_is_never_read_quickly(body: bytes) -> None:
    assert quick_json.loads(body) is None


@given(st.lists(NUMBERS, min_size=1, max_size=6), DATATYPES, st.booleans())
def test_a_body_with_numbers_is_read_alike_both_ways(values: list[Any], datatype: str, nested: bool) -> None:
    shape = [1, len(values)]
    tensor = {"name": "x", "datatype": datatype, "shape": shape, "data": [values] if nested else values}
    body = json.dumps({"inputs": [tensor]}).encode()

    assert told(rest_json.read, body) == told(_read_the_long_way, body)


def told(read: Any, body: bytes) -> object:
    """Give the numbers as bytes of their datatype, or that it is refused."""
    try:
        claim = read("m", "", body, None).question.inputs[0]
        dtype = np.dtype(claim.dtype)
        if isinstance(claim.content, bytes):
            return claim.content
        with np.errstate(over="ignore"):
            wide = np.array(claim.content, np.float64 if dtype.kind == "f" else object)
            array = wide.astype(dtype)
        if dtype.kind == "f" and not np.isfinite(array).all():
            return "refused"  # by the core
        return array.tobytes()
    except (BadRequest, OverflowError, ValueError):
        return "refused"


def _read_the_long_way(model: str, version: str, body: bytes, _json_size: None) -> rest_json.Asked:
    return rest_json._asked(model, version, rest_json._object(body), b"", rest_json._one_by_one)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([[1, 2], [3, 4]], [1, 4]),
        ([[1, 2, 3, 4]], [4, 1]),
        ([[1, 2], [3]], [2, 2]),
        ([[1, 2], 3, 4], [2, 2]),
        ([1, 2, 3], [2, 2]),
        ([[[1], [2]], [[3], [4]]], [2, 2]),
        ([], [1]),
    ],
)
def test_lists_that_are_not_nested_as_the_shape_says_are_not_packed(values: list[Any], shape: list[int]) -> None:
    with pytest.raises(packed.Unclear):
        packed.packed(values, shape, "FP32")


def test_lists_that_are_nested_as_the_shape_says_are_packed() -> None:
    assert packed.packed([[[1, 2]], [[3, 4]]], [2, 1, 2], "INT8") == bytes([1, 2, 3, 4])
