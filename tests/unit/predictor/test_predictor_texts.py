"""Texts: any bytes in any claimed number become an array of just these texts, or a refusal that names the field."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.engine.engine import DYNAMIC, TEXT, TensorSpec
from pushline.engine.tensorflow_child.texts import hidden, pack, shown
from pushline.predictor import texts
from pushline.predictor.errors import BadRequest, TooLarge
from pushline.predictor.tensors import Claim, Limits, to_array

SIZES = st.sampled_from([0, 1, 2, 3, 2**31, 2**62, 2**63 - 1])
SPEC, LIMITS = TensorSpec("x", TEXT, (DYNAMIC,)), Limits(1000, refuse_non_finite=True)


T = TypeVar("T")


def taken(take: Callable[[], T]) -> tuple[T | None, str]:
    """Give what was taken, else the field that a refusal names."""
    try:
        return take(), ""
    except (BadRequest, TooLarge) as refused:
        return None, refused.field


@given(st.lists(st.binary(max_size=9), max_size=6))
def test_what_was_packed_comes_out_as_it_was(values: list[bytes]) -> None:
    array = texts.array(pack(values), (len(values), 1), "x")

    assert array.shape == (len(values), 1)
    assert array.ravel().tolist() == values


@given(st.binary(max_size=60), st.lists(SIZES, min_size=1, max_size=3))
def test_any_bytes_are_texts_or_refused_by_name(content: bytes, shape: Sequence[int]) -> None:
    spec = TensorSpec("x", TEXT, (DYNAMIC,) * len(shape))

    array, field = taken(lambda: to_array(Claim("x", TEXT, tuple(shape), content), spec, LIMITS))

    assert array is None or (pack(array.ravel().tolist()), array.shape) == (content, tuple(shape))
    assert field.startswith("inputs.x") if array is None else not field


@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.dictionaries(st.just("b64"), st.text())), max_size=4))
def test_any_json_is_texts_or_refused_by_name(values: list[object]) -> None:
    found = [taken(lambda: texts.utf8(values, "x")), taken(lambda: texts.utf8_or_base64(values, "b64", "x"))]

    for read, field in found:
        assert field == "x" if read is None else all(type(each) is bytes for each in read)


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (Claim("x", TEXT, (2,), [b"one"]), "has 1 texts; its shape needs 2"),
        (Claim("x", "float32", (1,), [1.0]), "is float32; the model takes BYTES"),
        (Claim(None, None, (1,), [1.0]), "which the typed API has no field for"),
        (Claim("x", TEXT, (0,), []), "each size above 0"),
        (Claim("x", TEXT, (1001,), [b""] * 1001), "has 1001 rows; the limit is 1000"),
        (Claim("x", TEXT, (texts.MOST + 1,), [b""]), f"claims {texts.MOST + 1} texts"),
    ],
)
def test_what_does_not_fit_is_refused(claim: Claim, why: str) -> None:
    with pytest.raises((BadRequest, TooLarge), match=why):
        to_array(claim, SPEC, LIMITS)


def test_arrays_of_texts_pass_between_processes_beside_others() -> None:
    rows = {"review": texts.array([b"a\0", b"", b"\xff" * 300], (3,), "x"), "weight": np.ones((3, 2), "float32")}

    shapes, packed = hidden(rows)
    back = shown(shapes, packed)

    assert {name: array.dtype.name for name, array in packed.items()} == {"review": "uint8", "weight": "float32"}
    assert back["review"].tolist() == rows["review"].tolist()
    assert back["weight"] is rows["weight"]
