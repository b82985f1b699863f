"""Runs a stranger's programs in a limited child process (child.py): under bubblewrap where it works, by its own limits everywhere.

The child gets no environment, no credentials, no network and no right answers; what it writes is read as a stranger's.
"""

import json
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pushline.engine.tensorflow_child import START
from pushline.engine.tensorflow_process import ENVIRONMENT as TENSORFLOW_ENVIRONMENT
from pushline.evaluator.adapters.beginning import begin
from pushline.evaluator.arrays import Array, BadArrays, header_of, read_arrays, write_arrays
from pushline.evaluator.ports import Answers, Cancelled, CannotRun, ProgramFailed, ProgramFile
from pushline.runtime.bound import bound

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
LOOK_EVERY_SECONDS = 0.05
TAIL_BYTES = 2000
READY, RESULT = "ready", "result.json"  # as in child.py, which is never imported here


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 4 * 2**30
    seconds: float = 120.0
    output_bytes: int = 2**28
    files: int = 64


@dataclass(frozen=True, slots=True)
class LimitedChild:
    """`command` starts the child's Python module; tests put a hostile one in its place. For model.h5 it is another interpreter."""

    limits: Limits
    bubblewrap: str = ""  # path of bwrap where it works
    command: tuple[str, ...] = (sys.executable, "-I", "-m", "pushline.evaluator.child")
    scratch: Path | None = None
    tensorflow_python: Path | None = None

    def run(self, programs: Sequence[ProgramFile], inputs: Mapping[str, Array], cancelled: threading.Event) -> Answers:
        with TemporaryDirectory(prefix="pushline-child-", dir=self.scratch) as name:
            folder = Path(name)
            self._prepare(folder, programs, inputs)
            began = time.monotonic()
            status = self._wait(self._start(folder, programs[0].engine), cancelled)
            seconds = time.monotonic() - began
            _judge_end(folder, status, self.limits)
            return replace(_collect(folder, len(programs), self.limits.output_bytes), child_seconds=seconds)

    def _prepare(self, folder: Path, programs: Sequence[ProgramFile], inputs: Mapping[str, Array]) -> None:
        copies = [(f"programs/{program.name}", program.batch) for program in programs]
        limits = {
            "memory_bytes": self.limits.memory_bytes,
            "data_bytes": self.limits.memory_bytes,
            "file_bytes": self.limits.output_bytes,
            "cpu_seconds": math.ceil(self.limits.seconds) * (os.cpu_count() or 1),
            "output_bytes": self.limits.output_bytes,
            "files": self.limits.files,
            "core_bytes": 0,
        }
        needed = self.limits.output_bytes + sum(header_of(inputs, name).size_bytes for name in inputs)
        if shutil.disk_usage(folder).free < needed:
            raise CannotRun(f"scratch space: less than {needed // 2**20} MiB free where temporary files lie")
        try:
            (folder / "programs").mkdir()
            for program, (copy, _) in zip(programs, copies, strict=True):
                shutil.copyfile(program.path, folder / copy)
            write_arrays(folder / "inputs.npz", inputs)
            model = {"model": copies[0][0], "max_bytes": 2 * programs[0].path.stat().st_size}
            request = json.dumps({"programs": copies, "limits": limits, **model})
            (folder / "request.json").write_text(request, encoding="utf-8")
        except OSError as error:
            raise CannotRun(f"scratch space: {error}") from error

    def _command(self, folder: Path, engine: str) -> tuple[list[str], Sequence[str]]:
        """Give what encloses the child, and its own command."""
        if engine == "litert":
            return bubblewrapped(self.bubblewrap, folder, own_folders()) if self.bubblewrap else [], self.command
        if self.tensorflow_python is None:
            raise CannotRun("the evaluator has no TensorFlow engine (set PUSHLINE_TENSORFLOW_PYTHON)")
        shown = folders_of(self.tensorflow_python) if self.bubblewrap else []
        enclosed = bubblewrapped(self.bubblewrap, folder, [*shown, str(START.parent)]) if self.bubblewrap else []
        return enclosed, [str(self.tensorflow_python), "-I", "-B", str(START), "batch"]

    def _start(self, folder: Path, engine: str) -> "subprocess.Popen[bytes]":
        enclosed, command = self._command(folder, engine)
        try:
            with (folder / "output.txt").open("wb") as output:
                return begin(enclosed, command, folder, output, ENVIRONMENT if engine == "litert" else TENSORFLOW_ENVIRONMENT)
        except OSError as error:
            raise CannotRun(f"the evaluation's child process does not start: {error}") from error

    def _wait(self, process: "subprocess.Popen[bytes]", cancelled: threading.Event) -> int | None:
        """Give the exit status, negative for a signal, None where the deadline ended it."""
        deadline = time.monotonic() + self.limits.seconds
        end = os.pidfd_open(process.pid)  # Popen.wait looks only so often
        ends = select.poll()
        ends.register(end, select.POLLIN)
        try:
            while time.monotonic() < deadline:
                if cancelled.is_set():
                    raise Cancelled
                ends.poll(LOOK_EVERY_SECONDS * 1000)
                status = process.poll()
                if status is not None:
                    return unwrapped(status)
            return None
        finally:
            os.close(end)
            kill(process)


def working_bubblewrap() -> str:
    """Give the path of a bwrap that works on this machine, else nothing."""
    path = shutil.which("bwrap")
    if path is None:
        return ""
    with TemporaryDirectory(prefix="pushline-probe-") as folder:
        command = [*bubblewrapped(path, Path(folder), own_folders()), sys.executable, "-I", "-c", ""]
        try:
            ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
    return path if ended.returncode == 0 else ""


def own_folders() -> list[str]:
    return [entry for entry in (sys.prefix, sys.base_prefix, *sys.path) if entry and Path(entry).is_dir()]


def folders_of(python: Path) -> list[str]:
    """Where another interpreter and its packages lie. Raises CannotRun."""
    words = [str(python), "-I", "-c", "import sys; print(*(sys.prefix, sys.base_prefix, *sys.path), sep='\\n')"]
    try:
        told = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"PUSHLINE_TENSORFLOW_PYTHON: {python} does not run: {error}") from error
    return [entry for entry in told if entry and Path(entry).is_dir()]


def bubblewrapped(path: str, folder: Path, python: Sequence[str]) -> list[str]:
    seen = dict.fromkeys([*SYSTEM_FOLDERS, *python])
    binds = [word for entry in seen for word in ("--ro-bind-try", entry, entry)]
    inside = str(folder.resolve())
    enclosed = [
        path,
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--tmpfs", "/tmp", *binds, "--proc", "/proc", "--dev", "/dev"),  # noqa: S108 - the child's own, empty
        *("--bind", inside, inside, "--remount-ro", "/", "--chdir", inside, "--"),
    ]
    return bound(enclosed, signal.SIGKILL)  # bubblewrap alone does not see a parent that ended before it asked to end with it


def unwrapped(status: int) -> int:
    """Under bubblewrap it is 128 + n for signal n."""
    return 128 - status if status > 128 else status  # noqa: PLR2004 - the shell's convention


def kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge_end(folder: Path, status: int | None, limits: Limits) -> None:
    if not (folder / READY).exists():
        said = last_line(folder / "output.txt") or f"exit status {status}"
        raise CannotRun(f"the evaluation's child process does not start: {said}")
    within = f"it had {limits.seconds:g} s and {limits.memory_bytes // 2**20} MiB"
    if status is None or status == -signal.SIGXCPU:
        raise ProgramFailed("program_timeout", f"the program did not end in time; {within}")
    if status < 0:
        raise ProgramFailed("program_crashed", f"the program killed the process that ran it ({signal_name(-status)}); {within}")
    if status != 0 or not (folder / RESULT).is_file():
        raise ProgramFailed("program_crashed", f"the program ended the process that ran it (exit status {status}); {within}")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(output: Path) -> str:
    lines = read_stranger(output, 2**20)[-TAIL_BYTES:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def read_stranger(path: Path, limit: int) -> bytes:
    """Read a file that the child may have replaced by anything: never through a link, never more than the limit."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def _collect(folder: Path, programs: int, output_bytes: int) -> Answers:
    try:
        result = json.loads(read_stranger(folder / RESULT, 2**16))
        if "reason" in result:
            raise ProgramFailed(str(result["reason"])[:60], f"the program cannot be run: {str(result['sentence'])[:1000]}")
        together = _arrays(folder / "together.npz", output_bytes)
        alone = tuple(_arrays(folder / f"alone-{at}.npz", output_bytes) for at in range(programs)) if programs > 1 else (together,)
        numbers = _seconds(result["load_seconds"]), _seconds(result["run_seconds"]), int(result["peak_memory_bytes"])
    except (BadArrays, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProgramFailed("program_crashed", f"the process that ran the program left no readable answers: {error}") from error
    return Answers(together, alone, *numbers)


def _seconds(said: object) -> float:
    if not (isinstance(said, float) and math.isfinite(said)):
        raise ValueError("a time is no number")
    return said


def _arrays(path: Path, limit: int) -> dict[str, Any]:
    if path.is_symlink() or not path.is_file():
        raise BadArrays(f"{path.name} is missing")
    return dict(read_arrays(path, limit))
