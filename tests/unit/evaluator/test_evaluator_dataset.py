"""The frozen set and other files of strangers: every doubt refuses the run, with a sentence that names the array."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.evaluator.arrays import Array, BadArrays, read_arrays, write_arrays
from pushline.evaluator.dataset import EvaluationSet, class_indices, inputs_for, read_set, targets
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.manifest import Dataset, TensorSpec
from tests.fixtures.evaluator.story import npz

X = np.ones((4, 3), np.float32)
Y = np.array([0, 1, 2, 1])
SPEC = TensorSpec("table", "float32", (-1, 3))
WORDS = np.array([b"good", b"bad", b"n\xc3\xb8ne", b""])
TWO = (TensorSpec("a", "float32", (-1, 3)), TensorSpec("b", "float32", (-1, 3)))
LIMIT = 10_000


def about(rows: int = 4) -> Dataset:
    return Dataset("0" * 64, 1, rows, "repository", "evaluate")


def archive(members: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def npy(shape: str, data: bytes = b"", descr: str = "<f4", version: bytes = b"\x01\x00") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data


def pickled() -> bytes:
    buffer = BytesIO()
    np.save(buffer, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    return buffer.getvalue()


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("no zip", b"hello", "not a readable .npz file"),
    ("empty", b"", "not a readable .npz file"),
    ("cut short", npz(x=X, y=Y)[:-30], "not a readable .npz file"),
    ("objects", archive({"y.npy": pickled()}), "array y holds Python objects"),
    ("a pickle", archive({"y.npy": pickle.dumps([1, 2])}), "array y has no readable header"),
    ("another file", archive({"run.sh": b"echo"}), "'run.sh' is no array"),
    ("a shape larger than its data", archive({"y.npy": npy("(10000000000000,)", b"1234")}), "array y has the impossible shape"),
    ("a shape larger than the file", archive({"y.npy": npy("(100000,)", b"1234")}), "array y does not hold the (100000,) values"),
    ("a negative shape", archive({"y.npy": npy("(-1,)", b"1234")}), "array y has the impossible shape"),
    ("code for a shape", archive({"y.npy": npy("(__import__('os').getpid(),)")}), "array y has no readable header"),
    ("a form of the future", archive({"y.npy": npy("(1,)", b"1234", version=b"\x03\x00")}), "is in a form that is not read here"),
    ("a bomb", archive({"y.npy": b"0" * 20_000}), "bytes of arrays; at most 10000 are read"),
    ("many arrays", archive({f"a{at}.npy": npy("(1,)", b"1234") for at in range(70)}), "70 arrays; at most 64 are read"),
]


@pytest.mark.parametrize(("name", "data", "words"), UNREADABLE, ids=[case[0] for case in UNREADABLE])
def test_a_file_of_a_stranger_is_refused(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    del name
    path = tmp_path / "set.npz"
    path.write_bytes(data)

    with pytest.raises(BadArrays) as caught:
        read_arrays(path, LIMIT)

    assert words in str(caught.value)


@given(st.binary(max_size=400))
def test_any_bytes_are_arrays_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "set.npz"
    path.write_bytes(data)

    with pytest.raises(BadArrays):
        read_arrays(path, LIMIT)


@given(st.integers(0, 900), st.binary(min_size=1, max_size=8))
def test_a_damaged_set_is_arrays_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes) -> None:
    data = npz(x=X, y=Y)
    path = tmp_path_factory.mktemp("any") / "set.npz"
    path.write_bytes(data[: at % len(data)] + damage + data[at % len(data) + len(damage) :])

    try:
        read = read_arrays(path, LIMIT)
    except BadArrays:
        return

    assert all(isinstance(array, np.ndarray) for array in read.values())


def test_arrays_come_back_as_they_were_written_whatever_they_are_called(tmp_path: Path) -> None:
    arrays: dict[str, Array] = {
        "file": X,
        "x.left/right": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "y": np.array([True, False]),
    }

    write_arrays(tmp_path / "a.npz", arrays)
    back = read_arrays(tmp_path / "a.npz", LIMIT)

    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


REFUSED_SETS: list[tuple[str, dict[str, Any], str]] = [
    ("no y", {"x": X}, "array y is missing; there is x"),
    ("text", {"x": X, "y": np.array(["cat", "dog", "cat", "dog"])}, "array y is of type <U3; numbers are needed"),
    ("text in UTF-32", {"x": np.array(["cat", "dog", "cat", "dog"]), "y": Y}, "array x is of type <U3; numbers are needed"),
    ("bytes for y", {"x": X, "y": np.array([b"cat", b"dog", b"cat", b"dog"])}, "array y is of type |S3; numbers are needed"),
    ("NaN in x", {"x": np.full((4, 3), np.nan), "y": Y}, "array x holds NaN or infinity"),
    ("infinity in y", {"x": X, "y": np.array([1.0, np.inf, 0, 1])}, "array y holds NaN or infinity"),
    ("a scalar", {"x": X, "y": np.array(3)}, "array y has no rows"),
    ("empty", {"x": X[:0], "y": Y[:0]}, "it is empty"),
    ("complex numbers", {"x": X.astype(np.complex64), "y": Y}, "array x is of type complex64"),
    ("other rows than announced", {"x": X[:3], "y": Y[:3]}, "it has 3 rows, its manifest says 4"),
]


@pytest.mark.parametrize(("name", "arrays", "words"), REFUSED_SETS, ids=[case[0] for case in REFUSED_SETS])
def test_a_set_that_cannot_be_used_rejects_the_run(name: str, arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    del name
    path = tmp_path / "set.npz"
    path.write_bytes(npz(**arrays))

    with pytest.raises(NotJudgeable) as caught:
        read_set(path, about(), "out", LIMIT)

    assert caught.value.verdict.reason == "dataset"
    assert caught.value.verdict.sentence == f"the evaluation set cannot be used: {caught.value.detail}"
    assert words in caught.value.detail


REFUSED_INPUTS: list[tuple[str, dict[str, Any], tuple[TensorSpec, ...], str]] = [
    ("no x", {}, (SPEC,), "array x.table or x for the input table is missing"),
    (
        "one of two",
        {"x.a": X},
        TWO,
        "array x.b for the input b",
    ),
    (
        "x for two",
        {"x": X},
        TWO,
        "array x.a for the input a",
    ),
    ("rows", {"x": X[:3]}, (SPEC,), "array x has 3 rows, y has 4"),
    ("shape", {"x": np.ones((4, 5), np.float32)}, (SPEC,), "array x has rows of shape (5,), the model takes (3)"),
    ("rank", {"x": np.ones((4, 3, 1), np.float32)}, (SPEC,), "array x has rows of shape (3, 1), the model takes (3)"),
    ("fractions for numbers", {"x": X}, (TensorSpec("n", "int32", (-1, 3)),), "array x is of type float32, the model takes int32"),
    ("text for numbers", {"x": WORDS}, (TensorSpec("n", "int32", (-1,)),), "array x is of type |S5, the model takes int32"),
    ("numbers for text", {"x": Y}, (TensorSpec("n", "string", (-1,)),), "array x is of type int64, the model takes string"),
    ("too large", {"x": np.full((4, 3), 1e300)}, (SPEC,), "array x has values too large for float32"),
]


@pytest.mark.parametrize(("name", "arrays", "specs", "words"), REFUSED_INPUTS, ids=[case[0] for case in REFUSED_INPUTS])
def test_inputs_that_do_not_fit_the_program_reject_the_run(
    name: str, arrays: dict[str, Any], specs: tuple[TensorSpec, ...], words: str
) -> None:
    del name

    with pytest.raises(NotJudgeable) as caught:
        dict(inputs_for(EvaluationSet(arrays, Y, 4), specs))

    assert words in caught.value.detail


def test_inputs_take_the_programs_type_and_names() -> None:
    left, right = np.ones(4, np.float64), np.zeros((4, 7), np.int64)
    specs = (TensorSpec("left", "float32", (-1, 1)), TensorSpec("right", "int32", (-1, -1)))

    inputs = inputs_for(EvaluationSet({"x.left": left, "x.right": right}, Y, 4), specs)

    assert {name: (array.shape, array.dtype.name) for name, array in inputs.items()} == {
        "left": ((4, 1), "float32"),
        "right": ((4, 7), "int32"),
    }


TRUTHS: list[tuple[str, Any, tuple[int, ...]]] = [
    ("indices", Y, (4, 3)),
    ("a column of indices", Y[:, np.newaxis], (4, 3)),
    ("indices as fractions", Y.astype(np.float32), (4, 3)),
    ("one column a class", np.eye(3)[Y], (4, 3)),
    ("a place in each of two steps", np.array([[0, 1], [2, 1]]), (2, 2, 3)),
]


@pytest.mark.parametrize(("name", "truth", "shape"), TRUTHS, ids=[case[0] for case in TRUTHS])
def test_labels_come_as_indices_or_columns(name: str, truth: Any, shape: tuple[int, ...]) -> None:
    del name

    np.testing.assert_array_equal(class_indices(truth, shape), Y)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_sigmoid_has_two_classes(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(class_indices(np.array([[True], [False], [True], [True]]), shape), [1, 0, 1, 1])


REFUSED_TRUTHS: list[tuple[str, Callable[[], object], str]] = [
    ("a label too high", lambda: class_indices(Y + 1, (4, 3)), "labels from 1 to 3; the model knows the classes 0 to 2"),
    ("a label below 0", lambda: class_indices(Y - 1, (4, 3)), "labels from -1 to 1"),
    ("three classes for a sigmoid", lambda: class_indices(Y, (4, 1)), "the model knows the classes 0 to 1"),
    ("fractions", lambda: class_indices(Y + 0.5, (4, 3)), "y holds fractions; class indices are needed"),
    ("two ones in a row", lambda: class_indices(np.ones((4, 3)), (4, 3)), "not exactly one 1 in each row"),
    ("smoothed labels", lambda: class_indices(np.full((4, 3), 1 / 3), (4, 3)), "not exactly one 1 in each row"),
    ("one class", lambda: class_indices(np.ones(4), (4, 3)), "y holds the class 1 alone; at least two classes are needed"),
    ("other rows", lambda: class_indices(Y, (5, 3)), "y has the shape (4,); the model's answers have (5, 3)"),
    ("another width", lambda: class_indices(np.eye(2)[Y % 2], (4, 3)), "y has the shape (4, 2)"),
    ("other labels", lambda: class_indices(Y, (4, 3), ["a", "b"]), "pushline.toml names 2 labels, the model has 3 classes"),
    (
        "targets of another width",
        lambda: targets(np.ones((4, 2)), (4, 3)),
        "y has the shape (4, 2); the model",
    ),
    ("targets of other rows", lambda: targets(np.ones(6), (3, 2)), "y has the shape (6,)"),
]


@pytest.mark.parametrize(("name", "act", "words"), REFUSED_TRUTHS, ids=[case[0] for case in REFUSED_TRUTHS])
def test_a_y_that_does_not_fit_the_answers_rejects_the_run(name: str, act: Callable[[], object], words: str) -> None:
    del name

    with pytest.raises(NotJudgeable) as caught:
        act()

    assert caught.value.verdict.reason == "dataset"
    assert words in caught.value.detail


def test_of_several_targets_the_measured_output_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(npz(x=X, **{"y.parts": np.zeros(4), "y.total": Y}))

    np.testing.assert_array_equal(read_set(path, about(), "total", LIMIT).truth, Y)


def test_texts_are_given_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(npz(x=WORDS, y=Y))
    data = read_set(path, about(), "out", LIMIT)

    inputs = inputs_for(data, (TensorSpec("review", "string", (-1, 1)),))

    assert inputs["review"].tolist() == [[each] for each in WORDS.tolist()]
