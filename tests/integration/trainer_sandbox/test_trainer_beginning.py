"""A sandbox does not outlive a trainer that is killed, not even in the moment of the start."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pushline.runtime.scratch import LOCK, scratch
from tests.waiting import until

KILLS, LONGEST_SECONDS, SEED = 40, 0.08, 3
# One interpreter stands for many trainers: each is a fork of it, killed at a moment that is drawn by chance.
TRAINERS = """
import os, sys, threading
from pathlib import Path
from random import Random
from pushline.trainer.sandbox.box import Job
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.probe import LIMITS

work, chance = Path(sys.argv[1]), Random(int(sys.argv[3]))
box = Bubblewrap(Path(sys.executable), work)
box.check()
for part in ("source", "results"):
    (work / part).mkdir()
job = Job(work / "source", work / "source", (), LIMITS, work / "results", len, print, command=("/bin/sleep", "600"))
for _ in range(int(sys.argv[2])):
    trainer = os.fork()
    if trainer == 0:
        box.run(job, threading.Event())
        os._exit(1)
    threading.Event().wait(chance.uniform(0, float(sys.argv[4])))
    os.kill(trainer, 9)
    os.waitpid(trainer, 0)
"""


def left(work: Path) -> list[str]:
    """Give the processes whose command line names the folder."""
    return [told.parent.name for told in Path("/proc").glob("[0-9]*/cmdline") if str(work).encode() in _bytes(told)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def standing_still(name: str, work: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of that name that has the sandboxes' own file on its command line, as a half-made one has."""
    words = [name, "-c", "read -r never", "--ro-bind", str(work / "sandbox-passwd"), "/etc/passwd"]
    with subprocess.Popen(words, executable="/bin/sh", stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of trainers lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"pushline-trainer-{os.geteuid()}"
    folder.mkdir(0o700)
    return folder


def test_trainers_that_are_killed_while_they_start_sandboxes_leave_none_behind(around: Path) -> None:
    (around / "killed").mkdir()
    command = [sys.executable, "-c", TRAINERS, str(around / "killed"), str(KILLS), str(SEED), str(LONGEST_SECONDS)]
    subprocess.run(command, check=True, timeout=100)

    with scratch("trainer"):
        until(lambda: left(around) == [], 10, "the end of all sandboxes")


def test_a_half_made_sandbox_of_a_killed_trainer_is_ended_and_nothing_else(around: Path) -> None:
    killed, alive = around / "killed", around / "alive"
    for folder in (killed, alive):
        folder.mkdir()
    with (
        (alive / LOCK).open("w") as lock,
        standing_still("/usr/bin/bwrap", killed) as half_made,
        standing_still("/usr/bin/bwrap", alive) as another,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        until(lambda: len(left(around)) == 2, 10, "command lines of both")

        with scratch("trainer"):
            assert half_made.wait(10) == -9
            assert another.poll() is None
