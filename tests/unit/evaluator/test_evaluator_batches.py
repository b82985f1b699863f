"""Files of arrays are read and written a few rows at a time; what comes out is what went in, whatever the size of a batch."""

import tracemalloc
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.evaluator.arrays import Array, ArrayFile, BadArrays, batches_of, column_of, read_arrays, write_arrays, write_parts
from pushline.evaluator.dataset import EvaluationSet, inputs_for, read_set
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.manifest import Dataset, TensorSpec

LIMIT = 2**30
MiB = 2**20


def saved(path: Path, *, packed: bool = False, **arrays: Array) -> Path:
    (np.savez_compressed if packed else np.savez)(path, allow_pickle=False, **arrays)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "deflated"])
@pytest.mark.parametrize("rows", [0, 1, 3, 7, 100])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(60, dtype=np.float32).reshape(20, 3),
        np.asfortranarray(np.arange(60).reshape(20, 3)),
        np.arange(20),
        np.array([b"a", b"bcd"] * 10),
        np.zeros((20, 0)),
        np.arange(120).reshape(20, 3, 2),
        np.asfortranarray(np.arange(120).reshape(20, 3, 2)),
    ],
    ids=["rows", "columns", "flat", "texts", "nothing in rows", "pictures", "pictures by columns"],
)
def test_batches_are_the_array(packed: bool, rows: int, array: Array, tmp_path: Path) -> None:
    file = ArrayFile(saved(tmp_path / "a.npz", packed=packed, x=array), LIMIT)

    batches = list(file.batches("x", rows))

    np.testing.assert_array_equal(np.concatenate(batches), array)
    np.testing.assert_array_equal(file["x"], array)
    assert rows == 0 or all(len(batch) <= rows for batch in batches)


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "deflated"])
def test_reading_in_batches_takes_the_memory_of_a_batch(packed: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", packed=packed, x=np.zeros((200_000, 64), np.float32), y=np.arange(200_000))
    tracemalloc.start()

    data = read_set(path, Dataset("0" * 64, 1, 200_000, "store", ""), "out", LIMIT)
    inputs = inputs_for(data, [TensorSpec("pixels", "float64", (-1, 64))])
    write_arrays(tmp_path / "inputs.npz", inputs)
    for part in ArrayFile(tmp_path / "inputs.npz", LIMIT).side_by_side(256):
        assert part["pixels"].dtype == np.float64
    column_of(data.arrays, "x", 3)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 32 * MiB  # the file holds 49, and twice that as the model takes it


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_parts_are_written_one_below_the_other(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.mktemp("parts") / "a.npz"
    whole: dict[str, Array] = {"a": np.arange(sum(sizes) * 2).reshape(-1, 2), "b/c": np.arange(sum(sizes), dtype=np.float32)}
    ends = np.cumsum([0, *sizes]).tolist()
    parts = ({name: array[low:high] for name, array in whole.items()} for low, high in pairwise(ends))

    write_parts(path, parts, sum(sizes))

    for name, array in read_arrays(path, LIMIT).items():
        np.testing.assert_array_equal(array, whole[name])


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([{"a": np.zeros((2, 3))}, {"a": np.zeros((2, 4))}], "has the shape"),
        ([{"a": np.zeros(2)}, {"a": np.zeros(2, np.float32)}], "has the shape"),
        ([{"a": np.zeros(2)}, {"b": np.zeros(2)}], "by other outputs"),
        ([{"a": np.zeros(3)}], "3 rows of answers to 4"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(parts: list[dict[str, Array]], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadArrays, match=words):
        write_parts(tmp_path / "a.npz", iter(parts), 4)


def test_side_by_side_refuses_arrays_of_other_lengths(tmp_path: Path) -> None:
    file = ArrayFile(saved(tmp_path / "a.npz", x=np.arange(4), y=np.arange(9)), LIMIT)

    with pytest.raises(BadArrays):
        list(file.side_by_side(2))


def cut_short(path: Path) -> Path:
    """A member whose header names more than there is, in an archive that is whole."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read("x.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", data[:-100])
    return path


def test_an_array_that_does_not_hold_what_it_says_is_refused_before_any_of_it_is_read(tmp_path: Path) -> None:
    path = cut_short(saved(tmp_path / "a.npz", x=np.arange(1000)))

    with pytest.raises(BadArrays, match="does not hold the"):
        ArrayFile(path, LIMIT)


def test_damage_in_the_middle_shows_when_the_last_row_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", x=np.arange(1_000_000), y=np.arange(1_000_000))
    with path.open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"damage")
    data = Dataset("0" * 64, 1, 1_000_000, "store", "")

    with pytest.raises(NotJudgeable, match=r"not a readable \.npz file: Bad CRC-32"):
        read_set(path, data, "out", LIMIT)


def test_what_is_held_is_read_in_batches_as_well() -> None:
    batches = batches_of({"x": np.arange(10)}, "x", 4)

    assert [batch.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_some_rows_of_the_inputs_are_given_alone() -> None:
    data = EvaluationSet({"x": np.arange(40_000.0).reshape(20_000, 2)}, np.zeros(20_000), 20_000)

    found = inputs_for(data, [TensorSpec("x", "float32", (-1, 2))]).at(np.array([0, 7, 19_999]))

    assert found["x"].tolist() == [[0, 1], [14, 15], [39_998, 39_999]]


def test_columns_beside_x_and_y_are_extras(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.npz",
        x=np.zeros((3, 2)),
        y=np.arange(3),
        region=np.array(["n", "s", "n"]),
        wide=np.zeros((3, 2)),
        age=np.arange(3),
    )

    data = read_set(path, Dataset("0" * 64, 1, 3, "store", ""), "out", LIMIT)

    assert data.extras == ("region", "age")
    assert data.targets == ("y",)
    assert data.arrays["region"].tolist() == ["n", "s", "n"]
