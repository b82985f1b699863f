"""An evaluation set from the store, looked at before the training: its headers alone, by hand, whatever they claim."""

import struct
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.trainer.data import DataFile, DataRefused
from pushline.trainer.evaluation_set import look_at

FILE = DataFile("line", "datasets/digits/test.npz", "0" * 64)
X, Y = np.zeros((4, 3), np.float32), np.arange(4)


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "set.npz", **arrays)
    return folder / "set.npz"


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def archive(folder: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(folder / "set.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return folder / "set.npz"


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X, "y": Y},
        {"x.left": X, "x.right": np.array([b"a"] * 4), "y": Y.astype(np.float64)},
        {"x": np.asfortranarray(X), "y.parts": Y, "y.total": Y, "region": np.array(["n", "s", "n", "s"])},
        {"x": X, "y": Y.astype(bool), "free": np.array(3)},
    ],
)
def test_a_set_that_can_be_judged_by_has_its_rows(arrays: dict[str, Any], tmp_path: Path) -> None:
    found = look_at(FILE, saved(tmp_path, **arrays))

    assert (found.rows, found.size) == (4, found.path.stat().st_size)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no x", {"y": Y}, "array x (or x.<input> for several inputs) is missing; there is y"),
    ("no y", {"x": X}, "array y is missing; there is x"),
    ("empty", {"x": X[:0], "y": Y[:0]}, "it is empty"),
    ("other rows", {"x": X[:3], "y": Y}, "array x has 3 rows, y has 4"),
    ("words for y", {"x": X, "y": np.array(["a", "b", "c", "d"])}, "array y holds no rows of numbers"),
    ("a number for y", {"x": X, "y": np.array(1)}, "array y holds no rows of numbers"),
    ("objects", {"x": np.array([{}, None, [], 1], dtype=object), "y": Y}, "array x is of the type '|O'; plain numbers are needed"),
    ("records", {"x": np.zeros(4, [("a", "<f4")]), "y": Y}, "array x is of the type"),
]


@pytest.mark.parametrize(("name", "arrays", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_set_that_nothing_can_be_judged_by_fails_the_run(name: str, arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    del name
    with pytest.raises(DataRefused) as raised:
        look_at(FILE, saved(tmp_path, **arrays))

    assert raised.value.failure.reason == "bad_dataset"
    assert words in raised.value.failure.sentence
    assert raised.value.failure.sentence.startswith(f"The evaluation set {FILE.address} cannot be used: ")


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"
LYING: list[tuple[str, bytes, str]] = [
    ("a shape larger than its data", npy(PLAIN % "(1000000,)", b"1234"), "does not hold the (1000000,) values"),
    ("an impossible shape", npy(PLAIN % "(10000000000000,)"), "has an impossible shape"),
    ("a negative shape", npy(PLAIN % "(-1,)"), "has an impossible shape"),
    ("code for a shape", npy(PLAIN % "(__import__('os').getpid(),)"), "has no readable header"),
    ("a deep header", npy("(" * 5000 + ")" * 4000), "has no readable header"),
    ("no header", b"hello", "has no header that is read here"),
    ("a form of the future", b"\x93NUMPY\x03\x00" + bytes(8), "has no header that is read here"),
    ("a huge header", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31), "has a header of 2147483648 bytes"),
]


@pytest.mark.parametrize(("name", "member", "words"), LYING, ids=[case[0] for case in LYING])
def test_what_a_header_claims_is_not_believed(name: str, member: bytes, words: str, tmp_path: Path) -> None:
    del name
    path = archive(tmp_path, x=member, y=npy(PLAIN % "(1,)", b"1234"))
    tracemalloc.start()

    with pytest.raises(DataRefused) as raised:
        look_at(FILE, path)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert words in raised.value.failure.sentence
    assert most < 2**20


@given(st.integers(0, 900), st.binary(min_size=1, max_size=8))
def test_a_damaged_set_is_looked_at_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes) -> None:
    buffer = BytesIO()
    np.savez_compressed(buffer, x=X, y=Y)
    data = buffer.getvalue()
    path = tmp_path_factory.mktemp("any") / "set.npz"
    path.write_bytes(data[: at % len(data)] + damage + data[at % len(data) + len(damage) :])

    try:
        assert look_at(FILE, path).rows
    except DataRefused:
        return


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\5\6" + bytes(10)])
def test_a_file_that_is_no_archive_fails_the_run(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(data)

    with pytest.raises(DataRefused, match=r"it is no readable \.npz file"):
        look_at(FILE, tmp_path / "set.npz")
