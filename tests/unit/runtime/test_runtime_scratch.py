import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pushline.runtime.scratch import scratch

HOLDS = """
import sys, tempfile
from pushline.runtime.scratch import scratch
tempfile.tempdir = sys.argv[1]
with scratch("toy"):
    tempfile.mkdtemp(prefix="half-")
    tempfile.NamedTemporaryFile(delete=False).write(b"x" * 1000)
    print("holds", flush=True)
    sys.stdin.read()
"""

WAITS = """
import sys
print("waits", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"holds\n"
    return process


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_what_a_killed_process_left_is_gone_when_the_next_one_starts(temporary: Path) -> None:
    with holder(temporary) as killed:
        killed.kill()
    assert len(files(temporary)) == 1

    with scratch("toy"):
        assert files(temporary) == []

    assert list(temporary.iterdir()) == []


def test_a_child_that_a_killed_process_left_is_ended_when_the_next_one_starts(temporary: Path) -> None:
    with holder(temporary) as killed:
        (folder,) = (temporary / f"pushline-toy-{os.geteuid()}").iterdir()
        killed.kill()
    other = subprocess.Popen(["/bin/sleep", "60"], cwd=folder)
    child = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(folder / "half")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"waits\n"  # before its execve is through it has no command line to be known by
        with scratch("toy"):
            assert child.wait(10) == -signal.SIGKILL
            assert other.poll() is None  # it does not name the folder
    finally:
        for process in (other, child):
            process.kill()
            process.communicate()


def test_what_a_living_process_holds_is_left_alone(temporary: Path) -> None:
    with holder(temporary) as other:
        with scratch("toy"):
            assert len(files(temporary)) == 1
        assert len(files(temporary)) == 1

    assert other.returncode == 0
    assert list(temporary.iterdir()) == []


def test_temporary_files_lie_in_it_while_it_lasts(temporary: Path) -> None:
    with scratch("toy") as own:
        assert Path(tempfile.mkdtemp()).parent == own

    assert tempfile.gettempdir() == str(temporary)


def test_a_folder_that_somebody_else_could_have_made_is_not_used(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    with scratch("toy") as own:
        around = own.parent
    around.symlink_to(elsewhere)

    with scratch("toy") as own:
        assert own.parent != around
        assert list(elsewhere.iterdir()) == []
