"""Numbers arrive as they are, or not at all; fractions alone are rounded to the model's floats."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pushline.client import BadRequest
from pushline.client.convert import converted, packed, unpacked
from pushline.client.messages import DTYPES

NUMERIC = [dtype for dtype in DTYPES.values() if dtype.kind != "O"]

BIG = 2**63


@pytest.mark.parametrize("wanted", NUMERIC, ids=str)
def test_an_array_of_the_models_dtype_is_passed_on_untouched(wanted: "np.dtype[np.generic]") -> None:
    array = np.zeros((2, 3), wanted)

    assert converted("x", array, wanted) is array


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param([0, 2**64 - 1], "uint64", id="numbers of which NumPy makes floats"),
        pytest.param([1, BIG + 1], "uint64", id="another such pair"),
        pytest.param([-BIG, BIG - 1], "int64", id="the ends of int64"),
        pytest.param([255, 0.0], "uint8", id="whole floats"),
        pytest.param([True, False], "int8", id="bools as numbers"),
        pytest.param([1, 0, 1.0], "bool", id="numbers as bools"),
        pytest.param([2**24, -(2**24), 2**60], "float32", id="whole numbers that a float holds"),
        pytest.param([65504], "float16", id="the greatest half"),
        pytest.param(np.array([2**53, 2**62], np.int64), "float64", id="int64 that a double holds"),
    ],
)
def test_numbers_arrive_as_they_are(value: object, wanted: str) -> None:
    array = converted("x", value, np.dtype(wanted))  # type: ignore[arg-type]  # the table's values

    assert array.dtype == wanted
    assert [Fraction(number) for number in array.tolist()] == [Fraction(int(number)) for number in value]  # type: ignore[attr-defined]


REFUSED = [
    pytest.param([1.5], "int32", "is not whole; the model takes int32", id="a fraction as int"),
    pytest.param([float("nan")], "int32", "is not whole", id="NaN as int"),
    pytest.param([256], "uint8", "does not fit uint8", id="above"),
    pytest.param([-1], "uint64", "does not fit uint64", id="below"),
    pytest.param([2**64], "uint64", "does not fit uint64", id="above all"),
    pytest.param(np.array([2.0**63]), "int64", "does not fit int64", id="the float above int64"),
    pytest.param(np.array([300], np.float16), "uint8", "does not fit uint8", id="a half above uint8"),
    pytest.param([2], "bool", "other than 0 and 1", id="2 as bool"),
    pytest.param([1e39], "float32", "does not fit float32", id="a float above"),
    pytest.param([70000], "float16", "does not fit float16", id="an int above a half"),
    pytest.param([2**24 + 1], "float32", "float32 cannot hold exactly", id="an int between floats"),
    pytest.param(np.array([BIG - 1], np.int64), "float64", "float64 cannot hold exactly", id="an int between doubles"),
    pytest.param(np.array([2**64 - 1], np.uint64), "float32", "float32 cannot hold exactly", id="the greatest uint64"),
    pytest.param([2**70], "float32", "holds object, not numbers", id="an int beyond all"),
    pytest.param([None], "int32", "holds object, not numbers", id="nothing"),
]


@pytest.mark.parametrize(("value", "wanted", "why"), REFUSED)
def test_what_would_become_another_number_is_refused_by_name(value: object, wanted: str, why: str) -> None:
    with pytest.raises(BadRequest, match=f"^tokens: .*{why}"):
        converted("tokens", value, np.dtype(wanted))  # type: ignore[arg-type]  # wrong on purpose


def test_fractions_are_rounded_and_what_is_no_number_is_left_to_the_predictor() -> None:
    array = converted("x", [0.1, float("nan"), float("inf")], np.dtype(np.float32))

    assert array[0] == np.float32(0.1)
    assert np.isnan(array[1])
    assert np.isinf(array[2])


@given(arrays.arrays(st.sampled_from([np.int64, np.uint64, np.int32, np.uint8]), 4), st.sampled_from(NUMERIC))
def test_whole_numbers_are_equal_afterwards_or_refused(
    array: "np.ndarray[tuple[int], np.dtype[np.generic]]", wanted: object
) -> None:
    dtype: np.dtype[np.generic] = np.dtype(wanted)  # type: ignore[call-overload]  # one of the table's
    try:
        after = converted("x", array, dtype)
    except BadRequest:
        return

    assert after.dtype == dtype
    assert [Fraction(number) for number in after.tolist()] == [Fraction(number) for number in array.tolist()]


@pytest.mark.parametrize(
    "value", [["a", "ö"], [b"a", "ö".encode()], np.array(["a", "ö"]), np.array(["a", b"\xc3\xb6"], object)], ids=repr
)
def test_texts_become_bytes_in_utf8_and_come_back_from_the_wire(value: npt.ArrayLike) -> None:
    array = converted("x", value, np.dtype(object))

    assert array.tolist() == [b"a", b"\xc3\xb6"]
    assert packed(array) == b"\1\0\0\0a\2\0\0\0\xc3\xb6"
    assert unpacked(packed(array)).tolist() == array.tolist()


@pytest.mark.parametrize("value", [[1, 2], ["a", None], [["a"], ["b", "c"]], np.array([1.5])], ids=repr)
def test_what_is_no_text_is_refused_by_name(value: npt.ArrayLike) -> None:
    with pytest.raises(BadRequest, match="x: "):
        converted("x", value, np.dtype(object))


@pytest.mark.parametrize("raw", [b"\1", b"\2\0\0\0a"], ids=["half a length", "half a text"])
def test_texts_that_end_early_are_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="a text ends behind the answer"):
        unpacked(raw)
