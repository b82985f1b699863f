"""Hashes of rows: the same row has the same one in every form that it comes in, and another row another one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pushline.engine import row_hashes
from pushline.engine.row_hashes import Known, NotHashable, among, dump, load, of_rows, repeated

FLOATS = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 9)), elements=FLOATS))
def test_a_row_has_one_hash_in_every_form(rows: np.ndarray) -> None:
    plain = of_rows([rows])

    for other in (rows.astype(np.float64), rows[:, :, np.newaxis], np.asfortranarray(rows), rows + np.float32(0)):
        np.testing.assert_array_equal(of_rows([other]), plain)
    np.testing.assert_array_equal(np.concatenate([of_rows([row[np.newaxis]]) for row in rows]), plain)


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 9))))
def test_small_integers_are_the_fractions_of_the_same_value(rows: np.ndarray) -> None:
    for kind in (np.int64, np.float32, np.float64, np.uint16):
        np.testing.assert_array_equal(of_rows([rows.astype(kind)]), of_rows([rows]))


@given(arrays(np.float32, st.tuples(st.integers(2, 40), st.integers(1, 4)), elements=st.sampled_from([0, 1, -1, 0.5])))
def test_rows_share_a_hash_only_where_they_are_equal(rows: np.ndarray) -> None:
    assert len(np.unique(of_rows([rows]))) == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("columns", [20, 21])
def test_rows_of_zeros_and_ones_do_not_collide(columns: int) -> None:
    rows = np.random.default_rng(7).integers(0, 2, (200_000, columns))

    assert len(np.unique(of_rows([rows]))) == len(np.unique(rows @ (1 << np.arange(columns))))


def test_integers_that_no_float32_holds_are_told_apart() -> None:
    numbers = np.arange(1 << 25, (1 << 25) + 1000)

    assert len(np.unique(of_rows([numbers]))) == 1000
    np.testing.assert_array_equal(of_rows([-numbers.astype(np.int32)]), of_rows([-numbers]))


def test_texts_count_whatever_their_width_and_form() -> None:
    texts = np.array([["a", "bb"], ["møøse", ""], ["bb", "a"]])
    wide = np.array([[each.encode() for each in row] for row in texts.tolist()], "S64")

    np.testing.assert_array_equal(of_rows([texts]), of_rows([wide]))
    assert len(np.unique(of_rows([texts]))) == 3


def test_several_inputs_count_in_any_order() -> None:
    left, right = np.arange(6.0).reshape(3, 2), np.arange(3)

    np.testing.assert_array_equal(of_rows([left, right]), of_rows([right, left]))
    assert len(np.unique(of_rows([left, right[::-1]]))) == 3


@pytest.mark.parametrize("bad", [np.array(3), np.array([object()]), np.array([1 + 2j])])
def test_what_has_no_rows_of_numbers_or_texts_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(NotHashable):
        of_rows([bad])


def test_a_file_holds_what_was_known() -> None:
    hashes = np.unique(of_rows([np.arange(100)]))

    for whole in (True, False):
        known = load(dump(Known(hashes, whole)))
        np.testing.assert_array_equal(known.hashes, hashes)
        assert known.whole is whole


@pytest.mark.parametrize(
    "data",
    [b"", b"PLROWS1\n", b"PLROWS2\n" + bytes(16), b"PLROWS1\n" + b"\x02" + bytes(7), b"PLROWS1\n" + bytes(12)],
)
def test_a_file_of_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        load(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_hashes_or_refused(data: bytes) -> None:
    try:
        known = load(data)
    except ValueError:
        return

    assert (np.diff(known.hashes.astype(object)) > 0).all()


def test_repeats_and_known_rows_are_counted() -> None:
    rows = of_rows([np.array([1, 2, 2, 3, 3, 3])])

    assert repeated(rows) == 5
    assert among(rows, Known(np.unique(of_rows([np.array([3, 4])])), whole=True)).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
    assert not among(rows, Known(np.zeros(0, np.uint64), whole=True)).any()


def test_the_module_needs_numpy_alone(tmp_path: Path) -> None:
    copy = tmp_path / "row_hashes.py"
    copy.write_bytes(Path(row_hashes.__file__).read_bytes())
    code = (
        f"import sys, importlib.util as u; s = u.spec_from_file_location('row_hashes', {str(copy)!r})\n"
        "m = u.module_from_spec(s); sys.modules['row_hashes'] = m; s.loader.exec_module(m)\n"
        "assert not any(n.startswith('pushline') for n in sys.modules)\n"
        "import numpy as np; print(m.of_rows([np.arange(3)]).tolist())"
    )

    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == str(of_rows([np.arange(3)]).tolist())
