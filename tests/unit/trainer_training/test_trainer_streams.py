"""What comes out of a sandbox, taken in: trouble of this machine is no failure of a script."""

import io
import json
from pathlib import Path

import pytest

from pushline.trainer.sandbox.streams import ResultPump

MODEL = b"the bytes of a model"


def told(*files: bytes) -> io.BytesIO:
    listed = [{"name": f"file-{number}", "size": len(data)} for number, data in enumerate(files)]
    words = [{"ready": True}, {"exit": 0, "files": listed}]
    return io.BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in words) + b"".join(files))


def pump(folder: Path) -> ResultPump:
    return ResultPump(folder, 1000, 1000, lambda: None)


def test_files_that_came_are_kept_as_they_are(tmp_path: Path) -> None:
    results = pump(tmp_path)
    results.drain(told(MODEL))

    assert results.is_complete
    assert results.trouble is None
    assert results.files["file-0"].path.read_bytes() == MODEL


@pytest.mark.parametrize("name", ["gone", "full"])
def test_a_folder_that_cannot_take_a_file_is_told_as_trouble_of_this_machine(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    if name == "full":
        folder.mkdir()
        (folder / "file-0").symlink_to("/dev/full")  # what is there already stands in for what cannot be written
    results = pump(folder)
    results.drain(told(MODEL, MODEL))

    assert isinstance(results.trouble, OSError)
    assert not results.is_complete
    assert results.files == {}
