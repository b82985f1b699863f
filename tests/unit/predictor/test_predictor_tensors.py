"""From claims to arrays: every row of the table names the field that is wrong."""

import struct
from dataclasses import dataclass

import numpy as np
import pytest

from pushline.engine.engine import DYNAMIC, TensorSpec
from pushline.predictor.errors import BadRequest, TooLarge
from pushline.predictor.tensors import FINITE_PART, NUMERIC, Claim, Limits, all_finite, bind, to_array

LIMITS = Limits(max_rows=8, refuse_non_finite=True)
PAIR = TensorSpec("x", "float32", (DYNAMIC, 2))
COUNTS = TensorSpec("n", "int8", (DYNAMIC, 1))


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def claim(
    shape: tuple[int, ...] = (1, 2), content: object = (1.0, 2.0), dtype: str | None = "float32", name: str | None = "x"
) -> Claim:
    return Claim(name, dtype, shape, content)  # type: ignore[arg-type]  # the table holds wrong ones on purpose


@dataclass(frozen=True)
class Case:
    says: str
    claims: tuple[Claim, ...]
    field: str
    specs: tuple[TensorSpec, ...] = (PAIR,)


CASES = [
    Case("a wrong name", (claim(name="z"),), "inputs.z"),
    Case("no input", (), "inputs.x"),
    Case("an input twice", (claim(), claim()), "inputs.x"),
    Case("an input too many", (claim(), claim(name="y")), "inputs.y"),
    Case("no name where there are two", (claim(name=None),), "x", (PAIR, COUNTS)),
    Case("a wrong type", (claim(dtype="int64"),), "inputs.x.datatype"),
    Case("an unknown type", (claim(dtype="FP4"),), "inputs.x.datatype"),
    Case("too few dimensions", (claim((2,)),), "inputs.x.shape"),
    Case("too many dimensions", (claim((1, 2, 1)),), "inputs.x.shape"),
    Case("thousands of dimensions", (claim((1,) * 5000),), "inputs.x.shape"),
    Case("a wrong size", (claim((1, 3), (1.0, 2.0, 3.0)),), "inputs.x.shape"),
    Case("no rows", (claim((0, 2), ()),), "inputs.x.shape"),
    Case("a negative size", (claim((-1, 2)),), "inputs.x.shape"),
    Case("two negative sizes", (claim((-1, -2)),), "inputs.x.shape"),
    Case("too few values", (claim(content=(1.0,)),), "inputs.x.contents"),
    Case("too many values", (claim(content=(1.0, 2.0, 3.0)),), "inputs.x.contents"),
    Case("no values", (claim(content=()),), "inputs.x.contents"),
    Case("too few bytes", (claim(content=floats(1.0)),), "inputs.x.contents"),
    Case("too many bytes", (claim(content=floats(1.0, 2.0, 3.0)),), "inputs.x.contents"),
    Case("half a number", (claim(content=floats(1.0, 2.0)[:-1]),), "inputs.x.contents"),
    Case("no bytes", (claim(content=b""),), "inputs.x.contents"),
    Case("NaN", (claim(content=(1.0, float("nan"))),), "inputs.x.contents"),
    Case("an infinity in bytes", (claim(content=floats(1.0, float("inf"))),), "inputs.x.contents"),
    Case("a number too large", (claim(content=(1e300, 0.0)),), "inputs.x.contents"),
    Case("a fraction for a whole number", (claim((1, 1), (1.5,), None, "n"),), "inputs.n.contents", (COUNTS,)),
    Case("NaN for a whole number", (claim((1, 1), (float("nan"),), None, "n"),), "inputs.n.contents", (COUNTS,)),
    Case("a whole number too large", (claim((1, 1), (128,), "int8", "n"),), "inputs.n.contents", (COUNTS,)),
    Case("rows that differ", (claim((2, 2), (1.0,) * 4), claim((1, 1), (1,), "int8", "n")), "inputs", (PAIR, COUNTS)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_bad_input_is_refused_naming_the_field(case: Case) -> None:
    with pytest.raises(BadRequest) as caught:
        bind(case.claims, case.specs, LIMITS)

    assert caught.value.field == case.field
    assert len(str(caught.value)) < 400


def test_a_claimed_size_beyond_all_memory_costs_nothing() -> None:
    everything = TensorSpec("x", "float32", (DYNAMIC, DYNAMIC, DYNAMIC))

    with pytest.raises(BadRequest, match="contents"):
        to_array(claim((8, 2**62, 2**62), floats(1.0)), everything, LIMITS)


def test_more_rows_than_the_limit_are_too_large() -> None:
    with pytest.raises(TooLarge, match="9 rows; the limit is 8"):
        to_array(claim((9, 2), (0.0,) * 18), PAIR, LIMITS)


@pytest.mark.parametrize("dtype", sorted(NUMERIC))
def test_every_type_comes_through_as_bytes_and_as_numbers(dtype: str) -> None:
    spec = TensorSpec("x", dtype, (DYNAMIC, 2))
    wanted = np.array([[0, 1], [1, 0]], dtype)

    raw = to_array(claim((2, 2), wanted.astype(wanted.dtype.newbyteorder("<")).tobytes(), dtype), spec, LIMITS)
    listed = to_array(claim((2, 2), wanted.ravel().tolist(), dtype), spec, LIMITS)
    plain = to_array(claim((2, 2), wanted.ravel().astype(float).tolist(), None), spec, LIMITS)

    for array in (raw, listed, plain):
        assert array.dtype == wanted.dtype
        assert (array == wanted).all()


@pytest.mark.parametrize("dtype", [name for name in sorted(NUMERIC) if "int" in name])
def test_the_ends_of_every_whole_type_are_exact(dtype: str) -> None:
    ends = np.iinfo(dtype)
    spec = TensorSpec("x", dtype, (DYNAMIC, 2))

    array = to_array(claim((1, 2), [int(ends.min), int(ends.max)], dtype), spec, LIMITS)

    assert array.tolist() == [[ends.min, ends.max]]


def test_a_bool_is_0_or_1() -> None:
    with pytest.raises(BadRequest, match="other than 0 and 1"):
        to_array(claim((1, 2), b"\x01\x02", "bool"), TensorSpec("x", "bool", (DYNAMIC, 2)), LIMITS)


def test_non_finite_numbers_pass_where_they_are_allowed() -> None:
    array = to_array(claim(content=(1.0, float("inf"))), PAIR, Limits(8, refuse_non_finite=False))

    assert np.isinf(array[0, 1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("size", [1, FINITE_PART, FINITE_PART + 1, 3 * FINITE_PART - 1])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_bad_number_is_found_wherever_it_stands(size: int, dtype: str, bad: float) -> None:
    for place in {0, size // 2, min(size, FINITE_PART) - 1, size - 1}:
        values = np.zeros(size, dtype)
        values[place] = bad
        unaligned = np.frombuffer(b"." + values.tobytes(), dtype, -1, 1)

        assert not all_finite(values)
        assert not all_finite(unaligned)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_largest_numbers_are_finite_however_many_there_are(dtype: str) -> None:
    most = np.finfo(dtype).max
    values = np.resize(np.array([most, -most, most], dtype), (2, FINITE_PART))

    assert all_finite(values)
