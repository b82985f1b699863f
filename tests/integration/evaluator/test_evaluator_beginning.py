"""A stranger's child does not outlive an evaluator that is killed, not even in the moment of the start."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from random import Random

import pytest

from pushline.evaluator.adapters.beginning import begin
from pushline.evaluator.adapters.limited_child import ENVIRONMENT, bubblewrapped, own_folders, working_bubblewrap
from pushline.runtime.scratch import scratch
from tests.waiting import until

KILLS, LONGEST_SECONDS, SEED = 20, 0.08, 3
EVALUATOR = """
import sys, tempfile
from pathlib import Path
from pushline.evaluator.adapters.beginning import begin
from pushline.evaluator.adapters.limited_child import ENVIRONMENT, bubblewrapped, own_folders
from pushline.runtime.scratch import scratch

tempfile.tempdir = sys.argv[1]
with scratch("begun") as folder:
    enclosed = bubblewrapped(sys.argv[2], folder, own_folders())
    print("begins", flush=True)
    begin(enclosed, ["/bin/sleep", "600"], folder, sys.stdout.buffer, ENVIRONMENT).wait()
"""


@pytest.fixture(scope="module")
def bubblewrap() -> str:
    found = working_bubblewrap()
    assert found, "bubblewrap does not work here"
    return found


def left(folder: Path) -> list[str]:
    """Give the command lines that name the folder, of processes that are still there."""
    told = [process / "cmdline" for process in Path("/proc").glob("[0-9]*")]
    found = [str(path) for path in told if path.exists() and str(folder).encode() in _bytes(path)]
    return [path for path in found if f"/proc/{_own()}/" not in path]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _own() -> int:
    return int(Path("/proc/self").resolve().name)


def test_whoever_is_killed_while_it_starts_children_leaves_none_behind(
    tmp_path: Path, bubblewrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(SEED)  # noqa: S311 - chance that can be repeated, no secret
    for _ in range(KILLS):
        command = [sys.executable, "-c", EVALUATOR, str(tmp_path), bubblewrap]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == b"begins\n"
            threading.Event().wait(chance.uniform(0, LONGEST_SECONDS))  # the moment is what is drawn by chance
            killed.kill()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch("begun"):
        until(lambda: left(tmp_path) == [], 10, "the end of all children")


def test_what_runs_behind_the_gate_has_no_input_and_its_own_exit_code(tmp_path: Path, bubblewrap: str) -> None:
    command = ["/bin/sh", "-c", "cat; echo done; exit 7"]
    with (tmp_path / "output").open("wb") as output:
        process = begin(bubblewrapped(bubblewrap, tmp_path, own_folders()), command, tmp_path, output, ENVIRONMENT)
        assert process.wait(20) == 7

    assert (tmp_path / "output").read_text() == "done\n"
