"""Sees whether a sandbox works on this machine: runs the training interpreter in it once, by the way that a script takes."""

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox.box import Job, SandboxUnavailable
from pushline.trainer.sandbox.enclosure import SUPERVISOR, Enclosure
from pushline.trainer.sandbox.supervised import run_supervised

LIMITS = Limits(timeout_seconds=30.0, memory_bytes=1 << 29, processes=64, disk_bytes=1 << 24, output_bytes=1 << 20)
NOTHING = ("{python}", "-I", "-S", "-c", "pass")


def probe(enclose: Callable[[Job], Enclosure], work_folder: Path) -> None:
    """Raises SandboxUnavailable."""
    work_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="probe-", dir=work_folder) as name:
        folder = Path(name)
        for part in ("source", "results"):
            (folder / part).mkdir()
        said: list[bytes] = []
        job = Job(folder / "source", SUPERVISOR.parent, (), LIMITS, folder / "results", said.append, print, command=NOTHING)
        ended = run_supervised(enclose(job), job, threading.Event())
    if ended.stopped or ended.exit_code != 0:
        raise SandboxUnavailable(ended.tail or f"a program in it ended with {ended.stopped or ended.exit_code}")
