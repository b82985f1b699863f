"""Numbers that are read without Python's floats are those that the strict way reads, or it is left to that."""

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pushline.predictor import json_numbers, packed

ODD = (
    "0 -0 -0.0 00 01 -01 .5 1. +1 1e5 1E+5 1e 0x1 1_0 NaN nan Infinity -Infinity inf null true false [1] [] {} 1.0 0.1 1,1 1]",
    '\u0663 "1" {"a":1} 127 128 255 256 -1 65535 65536 2147483648 4294967295 4294967296 16777217',
    "9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809",
    "1e38 3.4028234663852886e38 3.4028235677973366e38 3.4028235677973362e38 3.5e38 1e39 1e308 1e309 -1e400 1e-45 7e-46 1e-400",
    "9007199254740993 -9007199254740993 1.00000005960464477539062 1.00000005960464477539063",
)
ODD_ONES = [each for row in ODD for each in row.split()]
TEXTS = st.one_of(
    st.sampled_from([*ODD_ONES, "", " ", "\x00", "\ufeff", "1\x00", "\t1\n", "1 1"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.text("0123456789.eE+-, ]", max_size=8),
)
DATATYPES = st.sampled_from(sorted(packed.CODES))


def strictly(text: bytes, datatype: str, count: int) -> bytes | None:
    """Give the bytes of a list of as many plain numbers as fit the datatype."""
    try:
        values = json.loads(text.decode(), parse_constant=_no_constant)
        if not isinstance(values, list) or any(type(each) not in (int, float) for each in values):
            return None
        if datatype.startswith("FP"):
            values = [float(each) for each in values]
            if any(abs(each) == float("inf") for each in values):
                return None
        return struct.pack(f"<{count}{packed.CODES[datatype]}", *values)
    except (ValueError, OverflowError, struct.error):
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


@given(st.lists(TEXTS, min_size=1, max_size=4), DATATYPES, st.integers(0, 4))
@example(["9007199254740993"], "FP32", 1)
@example(["1e39"], "FP32", 1)
@example(["1", "[2]"], "FP64", 2)
def test_numbers_are_those_of_the_strict_way_or_none(texts: list[str], datatype: str, more: int) -> None:
    text = f"[{','.join(texts)}]".encode()
    for count in {len(texts), more}:
        assert json_numbers.pack(datatype, count)(text) in (None, strictly(text, datatype, count))


@pytest.mark.parametrize("odd", [each for each in ODD_ONES if each not in ("1]", "1,1")])
@pytest.mark.parametrize("datatype", sorted(packed.CODES))
def test_an_odd_one_among_numbers_is_read_as_strictly_or_left(odd: str, datatype: str) -> None:
    text = f"[1,{odd},2]".encode()

    assert json_numbers.pack(datatype, 3)(text) in (None, strictly(text, datatype, 3))


@pytest.mark.parametrize(
    "text", [b"", b"[", b"]", b"[]", b"1", b"null", b"[1,]", b"[,1]", b"[1", b"[1]]", b"[1]x", b'"[1]"', b"\xff"]
)
@pytest.mark.parametrize("datatype", ["FP32", "INT32"])
def test_what_is_no_list_of_one_number_is_none(text: bytes, datatype: str) -> None:
    assert json_numbers.pack(datatype, 1)(text) is None


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_a_list_that_is_larger_than_what_is_read_quickly_is_left(datatype: str) -> None:
    many = json_numbers.MOST_BYTES
    text = b"[" + b",".join([b"1"] * many) + b"]"

    assert json_numbers.pack(datatype, many)(text) is None


@pytest.mark.parametrize("datatype", sorted(packed.CODES))
def test_plain_numbers_are_read(datatype: str) -> None:
    assert json_numbers.pack(datatype, 3)(b"[1, 2,\n3 ]") == struct.pack(f"<3{packed.CODES[datatype]}", 1, 2, 3)
