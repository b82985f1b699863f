"""Further arrays of an evaluation set go with its rows into what is frozen, so that slices can name them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator.arrays import write_arrays
from pushline.trainer.launcher import dataset
from pushline.trainer.launcher.freeze import Array, Frozen
from pushline.trainer.launcher.result import Failed
from pushline.trainer.launcher.watch import Watch

X, Y = np.ones((3, 2), np.float32), np.array([0, 1, 0])
COLUMNS: Mapping[str, Array] = {"region": np.array([1, 2, 2]), "city": np.array(["Ulm", "Bonn", "Köln"])}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def frozen(words: str) -> Frozen:
    found = dataset.chosen(words, Watch.__new__(Watch), None)  # not asked where a set is named
    assert found is not None
    return found


def test_a_file_keeps_its_further_arrays_texts_as_bytes(folder: Path) -> None:
    write_arrays(folder / "test.npz", {"x": X, "y": Y, **COLUMNS})

    dataset.write({"pixels": X}, frozen("test.npz"), folder / "dataset.npz")

    with np.load(folder / "dataset.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["city", "region", "x", "y"]
        assert arrays["region"].tolist() == [1, 2, 2]
        assert [city.decode() for city in arrays["city"].tolist()] == ["Ulm", "Bonn", "Köln"]


def test_a_function_may_return_them_too(folder: Path) -> None:
    arrays = "'x': np.ones((3, 2)), 'y': np.array([0, 1, 0]), 'age': np.array([10, 20, 30])"
    code = f"import numpy as np\ndef made():\n    return {{{arrays}}}\n"
    (folder / "columns_of_a_test.py").write_text(code)

    found = frozen("python:columns_of_a_test:made")

    assert {name: column.tolist() for name, column in found.columns.items()} == {"age": [10, 20, 30]}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"file": np.ones(3)}, "is called file or allow_pickle"),
        ({"when": np.array(["2024-01-01"] * 3, "datetime64[D]")}, "not numbers"),
    ],
)
def test_an_array_that_cannot_be_kept_fails_the_run_with_a_sentence(folder: Path, columns: Mapping[str, Array], words: str) -> None:
    write_arrays(folder / "test.npz", {"x": X, "y": Y, **columns})

    with pytest.raises(Failed, match=words):
        frozen("test.npz")
