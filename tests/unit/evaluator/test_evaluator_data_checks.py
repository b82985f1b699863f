"""What is looked at before any metric: classes, repeated rows, rows that the training was given too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.engine import row_hashes
from pushline.evaluator.arrays import Array
from pushline.evaluator.data_checks import UNKNOWN, class_counts, examine
from pushline.evaluator.dataset import EvaluationSet, inputs_for
from pushline.evaluator.findings import DataFacts
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects import manifest
from pushline.objects.manifest import Manifest, TensorSpec

SPECS = (TensorSpec("table", "float32", (-1, 3)),)
X = np.arange(30, dtype=np.float64).reshape(10, 3)
Y = np.arange(10) % 2


def about(task: str = "classification", labels: tuple[str, ...] = ()) -> Manifest:
    made: dict[str, Any] = dict.fromkeys(("files", "programs", "inputs", "outputs", "gates", "slices"), ())
    texts: dict[str, Any] = dict.fromkeys(("model", "run_id", "digest", "environment_sha256", "sandbox", "loss"), "")
    return Manifest(
        schema=manifest.SCHEMA,
        generation=1,
        attempt=1,
        commit={},
        task=task,
        labels=labels,
        dataset=None,
        from_logits=False,
        versions={},
        seeds={},
        history={},
        seconds=1.0,
        **made,
        **texts,
    )


def trained(folder: Path, rows: Array, *, whole: bool = True) -> Path:
    path = folder / "training_rows.bin"
    path.write_bytes(row_hashes.dump(row_hashes.Known(np.unique(row_hashes.of_rows([rows])), whole)))
    return path


def examined(x: Array, file: Path | None, manifest: Manifest | None = None) -> DataFacts:
    data = EvaluationSet({"x": x}, Y[: len(x)], len(x))
    return examine(data, inputs_for(data, SPECS), manifest or about(), file)


def test_rows_that_fit_was_given_are_leakage_whatever_the_form_they_came_in(tmp_path: Path) -> None:
    facts = examined(X.astype(np.float32), trained(tmp_path, np.vstack([X[:4], X[:4] + 100])))

    assert (facts.leakage, facts.leakage_known_rows, facts.notes) == (0.4, 8, ())


def test_rows_that_stand_twice_are_duplicates(tmp_path: Path) -> None:
    facts = examined(np.vstack([X[:8], X[:2]]), trained(tmp_path, X + 1000))

    assert (facts.duplicates, facts.leakage) == (0.4, 0.0)


def test_leakage_is_unknown_where_no_training_rows_are_known() -> None:
    facts = examined(X, None)

    assert (facts.leakage, facts.leakage_known_rows, facts.notes) == (None, 0, (UNKNOWN,))


def test_a_file_of_training_rows_that_is_none_leaves_it_unknown_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"all my rows")

    facts = examined(X, tmp_path / "rows")

    assert facts.leakage is None
    assert "training_rows.bin cannot be read: it has 11 bytes" in facts.notes[0]


def test_where_not_all_rows_were_looked_at_the_note_says_so(tmp_path: Path) -> None:
    facts = examined(X, trained(tmp_path, X[:5], whole=False))

    assert facts.leakage == 0.5
    assert facts.notes == ("not all rows that fit was given were looked at, but 5 different ones: leakage may be higher",)


def test_several_inputs_make_one_row(tmp_path: Path) -> None:
    left, right = np.arange(10.0), np.arange(20).reshape(10, 2)
    specs = (TensorSpec("left", "float32", (-1, 1)), TensorSpec("right", "int64", (-1, 2)))
    data = EvaluationSet({"x.left": left, "x.right": right}, Y, 10)
    known = row_hashes.of_rows([right[:3], left[:3].astype(np.float32)])
    path = tmp_path / "rows"
    path.write_bytes(row_hashes.dump(row_hashes.Known(np.unique(known), whole=True)))

    assert examine(data, inputs_for(data, specs), about(), path).leakage == 0.3


@pytest.mark.parametrize(
    ("truth", "labels", "counts"),
    [
        (np.array([0, 1, 1, 3]), (), {"0": 1, "1": 2, "3": 1}),
        (np.array([[0], [1], [1]]), ("cat", "dog"), {"cat": 1, "dog": 2}),
        (np.eye(3)[[0, 2, 2]], ("a", "b", "c"), {"a": 1, "c": 2}),
        (np.array([0.0, 1.0]), (), {"0": 1, "1": 1}),
    ],
)
def test_classes_are_counted_by_name(truth: Array, labels: tuple[str, ...], counts: dict[str, int]) -> None:
    assert class_counts(truth, about(labels=labels)) == counts


def test_labels_are_counted_each_for_itself() -> None:
    marks = np.array([[1, 1], [0, 1], [0, 0]])

    assert class_counts(marks, about("multilabel", ("red", "round"))) == {"red": 1, "round": 2}


def test_a_regression_has_no_classes() -> None:
    assert class_counts(np.array([1.5, 2.5]), about("regression")) == {}


@pytest.mark.parametrize("truth", [np.array([0, 1, 2]), np.array([-1, 0, 1])])
def test_a_label_that_pushline_toml_does_not_name_refuses_the_set(truth: Array) -> None:
    with pytest.raises(NotJudgeable, match=r"pushline\.toml names 2 labels, 0 to 1"):
        class_counts(truth, replace(about(), labels=("a", "b")))
