"""The repository's Python files for its own metrics: those of the commit, bounded, the same bytes each time."""

import zipfile
from pathlib import Path

import pytest

from pushline.trainer import metrics_bundle
from pushline.trainer.metrics_bundle import BundleRefused, bundle, module_file


def repository(folder: Path) -> Path:
    source = folder / "source"
    (source / "money").mkdir(parents=True)
    (source / "money/__init__.py").write_text("def profit(y, answers): return 1.0\n")
    (source / "train.py").write_text("print('trains')\n")
    (source / "data.csv").write_text("1,2\n")
    (source / "link.py").symlink_to("/etc/passwd")
    return source


def test_it_holds_the_python_files_and_nothing_else(tmp_path: Path) -> None:
    made = bundle(repository(tmp_path), tmp_path / "metrics.zip")

    with zipfile.ZipFile(made.path) as archive:
        assert archive.namelist() == ["money/__init__.py", "train.py"]
    assert (made.name, made.size) == ("metrics.zip", made.path.stat().st_size)


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    source = repository(tmp_path)
    first = bundle(source, tmp_path / "a.zip")
    (source / "train.py").touch()

    assert bundle(source, tmp_path / "b.zip").sha256 == first.sha256


def test_too_many_or_too_large_files_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = repository(tmp_path)
    monkeypatch.setattr(metrics_bundle, "MAX_FILES", 1)

    with pytest.raises(BundleRefused) as raised:
        bundle(source, tmp_path / "a.zip")

    assert raised.value.failure.reason == "metrics_too_large"
    assert "The repository has 2 Python files of" in raised.value.failure.sentence
    monkeypatch.setattr(metrics_bundle, "MAX_FILES", 2)
    monkeypatch.setattr(metrics_bundle, "MAX_BYTES", 20)
    with pytest.raises(BundleRefused, match="at most 2 of 20 bytes"):
        bundle(source, tmp_path / "b.zip")


def test_a_module_is_a_file_or_a_package_of_the_repository(tmp_path: Path) -> None:
    source = repository(tmp_path)

    assert module_file(source, "python:money:profit") == source / "money/__init__.py"
    assert module_file(source, "python:train:loss") == source / "train.py"
    assert module_file(source, "python:os:getpid") is None
    assert module_file(source, "python:link:loss") is None
