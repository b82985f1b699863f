"""The production predictor as a process of its own, which serves one model at a socket in a folder of its own.

It gets no environment but what stands here, no network, and limits; under bubblewrap, where that works, nothing of the machine but
its own program either. What it answers is a stranger's program's word: sizes are bounded, and everything may be wrong.
"""

import json
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

from pushline.client import Client, DeadlineExceeded, PredictionFailed, Unavailable
from pushline.engine.tensorflow_child import START
from pushline.evaluator.adapters.beginning import begin
from pushline.evaluator.adapters.limited_child import (
    bubblewrapped,
    folders_of,
    kill,
    last_line,
    own_folders,
    signal_name,
    unwrapped,
)
from pushline.evaluator.adapters.process_memory import peak_memory
from pushline.evaluator.arrays import Array
from pushline.evaluator.ports import Cancelled, CannotRun, ProgramFailed, ProgramFile, Reply
from pushline.objects import manifest
from pushline.objects.manifest import Manifest
from pushline.runtime.scratch import held_folder

if TYPE_CHECKING:
    import subprocess

SETTING, MODULE = "PUSHLINE_PREDICTOR_COMMAND", "pushline.predictor"
DEFAULT = (sys.executable, "-I", "-m", MODULE)
MODEL, SOCKET, OUTPUT, MANIFEST = "model", "door", "output.txt", "manifest.json"
WRONG, REFUSED, POSTPONED = 2, 3, 4  # exit codes of the predictor, as its folder_process.py has them
MOST_PLACE_BYTES, SHORT = 70, Path("/tmp")  # noqa: S108 - a folder of its own is made below it
OPENING = b'"message":"opening"'  # its log says so before it touches the program
LOOK_SECONDS, WATCH_SECONDS = 0.005, 0.05
ENDING_SECONDS = 2.0  # from a connection that broke to the end of the process that broke it
LONGEST_RUNS = 3  # golden requests ask each row up to three times
FILE_BYTES = 2**28  # the memory that TensorFlow's process shares is a file too
FILES = 1024
OF_TENSORFLOW = ("/proc",), ("/tmp",)  # noqa: S108 - what its process reads about itself, and wants to write to as it starts
UNREADABLE = (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError, RecursionError)


@dataclass(frozen=True, slots=True)
class TrialLimits:
    memory_bytes: int = 4 * 2**30
    seconds: float = 120.0
    program_bytes: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class PredictorProcess:
    """Implements Predictors. The first word of `command` is the interpreter that has the predictor, or a program in its bin."""

    limits: TrialLimits
    bubblewrap: str = ""
    command: tuple[str, ...] = DEFAULT
    scratch: Path | None = None
    tensorflow_python: Path | None = None

    @property
    def problem(self) -> str:
        """Say why it cannot be started at all, as far as that is seen without trying."""
        if self.command == DEFAULT and find_spec(MODULE) is None:
            return f"{SETTING} is not set, and the evaluator's own interpreter has no {MODULE}: name the command that starts it"
        return "" if shutil.which(self.command[0]) else f"{SETTING}: there is no program {self.command[0]}"

    @contextmanager
    def serve(self, about: Manifest, programs: Sequence[ProgramFile], cancelled: threading.Event) -> "Iterator[Running]":
        if self.problem:
            raise CannotRun(self.problem)
        with _place(self.scratch) as folder:
            _prepare(folder, about, programs)
            running = Running(self._start(folder, about.engine), folder, self.limits, cancelled)
            try:
                yield running
            finally:
                running.end()

    def _start(self, folder: Path, engine: str) -> "subprocess.Popen[bytes]":
        if engine != "litert" and self.tensorflow_python is None:
            raise CannotRun("the evaluator has no TensorFlow engine (set PUSHLINE_TENSORFLOW_PYTHON)")
        python = self.tensorflow_python if engine != "litert" else None
        shown = [*_folders_of(self.command), *((*folders_of(python), str(START.parent)) if python else ())]
        more_readable, more_writable = OF_TENSORFLOW if python else ((), ())
        told = {
            "limits": {
                "data_bytes": self.limits.memory_bytes,
                "output_bytes": FILE_BYTES,
                "files": FILES,
                "core_bytes": 0,
            },
            "readable": [*shown, *more_readable],
            "writable": [str(folder), *more_writable],
            "parent": 0 if self.bubblewrap else os.getpid(),
        }
        enclosed = bubblewrapped(self.bubblewrap, folder, [*own_folders(), *shown]) if self.bubblewrap else []
        command = [sys.executable, "-I", "-m", "pushline.evaluator.enclosed", json.dumps(told), *self.command]
        asked = [*command, "--model", str(folder / MODEL), "--socket", str(folder / SOCKET)]
        try:
            with (folder / OUTPUT).open("wb") as output:
                return begin(enclosed, asked, folder, output, self._environment(folder, python))
        except OSError as error:
            raise CannotRun(f"{SETTING}: the predictor does not start: {error}") from error

    def _environment(self, folder: Path, python: Path | None) -> dict[str, str]:
        limits = self.limits
        environ = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "TMPDIR": str(folder),
            "PUSHLINE_MAX_MESSAGE": "64MiB",
            "PUSHLINE_MAX_PROGRAM": f"{limits.program_bytes}",
            "PUSHLINE_TENSORFLOW_MEMORY": f"{limits.memory_bytes}",
            "PUSHLINE_TENSORFLOW_TIMEOUT": f"{limits.seconds:g}s",
        }
        return environ if python is None else {**environ, "PUSHLINE_TENSORFLOW_PYTHON": str(python)}


class Running:
    """Implements Predictor. Used by one thread, that which started the process."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, limits: TrialLimits, cancelled: threading.Event) -> None:
        self._process, self._folder, self._limits, self._cancelled = process, folder, limits, cancelled
        self._client: Client | None = None
        self._until = 0.0  # for all answers together, from the first question
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="trial", daemon=True).start()

    def ask(self, inputs: Mapping[str, Array]) -> Reply:
        client = self._client or self._connected()
        began = time.perf_counter()
        try:
            answer = client.predict(inputs, timeout_seconds=max(0.0, self._until - time.monotonic()))
        except PredictionFailed as error:
            raise self._failure(error) from error
        except UNREADABLE as error:
            raise ProgramFailed("predictor_disagrees", f"the predictor's answer cannot be read: {error!r}") from error
        return Reply(answer.outputs, answer.digest, time.perf_counter() - began)

    @property
    def peak_memory_bytes(self) -> int:
        return peak_memory(self._process.pid)

    def end(self) -> None:
        self._ended.set()
        kill(self._process)
        if self._client is not None:
            self._client.close()

    def _watch(self) -> None:
        """Whoever waits for an answer is woken by the end of the process."""
        while not self._ended.wait(WATCH_SECONDS):
            if self._cancelled.is_set():
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                return

    def _connected(self) -> Client:
        """Wait until it serves."""
        door, deadline = self._folder / SOCKET, time.monotonic() + self._limits.seconds
        while not door.is_socket():
            if self._has_ended(LOOK_SECONDS):
                raise self._end_as_failure()
            if self._cancelled.is_set():
                raise Cancelled
            if time.monotonic() >= deadline:
                raise ProgramFailed("predictor_timeout", f"the predictor was not ready in time; {self._within}")
        self._client = client = Client(f"unix:{door}", retry=False)
        self._until = time.monotonic() + LONGEST_RUNS * self._limits.seconds
        return client

    def _failure(self, error: PredictionFailed) -> Exception:
        if self._cancelled.is_set():
            return Cancelled()
        if isinstance(error, DeadlineExceeded):
            seconds = LONGEST_RUNS * self._limits.seconds
            return ProgramFailed("predictor_timeout", f"the predictor did not answer within {seconds:g} s; {self._within}")
        if isinstance(error, Unavailable) and self._has_ended(ENDING_SECONDS):
            return self._end_as_failure()
        reason = "predictor_crashed" if isinstance(error, Unavailable) else "predictor_refused"
        return ProgramFailed(reason, f"the predictor does not answer: {error.code}: {error.sentence[:1000]}")

    def _has_ended(self, seconds: float) -> bool:
        if self._process.poll() is not None:
            return True
        end = os.pidfd_open(self._process.pid)  # Popen.wait looks only so often
        try:
            ends = select.poll()
            ends.register(end, select.POLLIN)
            ends.poll(seconds * 1000)
        finally:
            os.close(end)
        return self._process.poll() is not None

    def _end_as_failure(self) -> Exception:
        """Say what the end of the process means: a verdict where the program is at fault, else that this machine is."""
        if self._cancelled.is_set():
            return Cancelled()
        status, said = unwrapped(self._process.wait()), last_line(self._folder / OUTPUT)
        if status == REFUSED:
            return ProgramFailed("predictor_refused", f"the predictor refuses the model: {said.removeprefix('--model: ')[:1000]}")
        opened = OPENING in _beginning(self._folder / OUTPUT)
        if status in (0, WRONG, POSTPONED, -signal.SIGTERM) or not opened:
            return CannotRun(f"{SETTING}: the predictor does not start: {said[:1000] or f'exit status {status}'}")
        how = signal_name(-status) if status < 0 else f"exit status {status}"
        return ProgramFailed("predictor_crashed", f"the model ended the predictor that served it ({how}); {self._within}")

    @property
    def _within(self) -> str:
        return f"it had {self._limits.seconds:g} s to get ready and {self._limits.memory_bytes // 2**20} MiB"


def _prepare(folder: Path, about: Manifest, programs: Sequence[ProgramFile]) -> None:
    """Raises CannotRun."""
    try:
        (folder / MODEL).mkdir()
        (folder / MODEL / MANIFEST).write_bytes(manifest.dump(about))
        for program in programs:
            shutil.copyfile(program.path, folder / MODEL / program.name)
    except OSError as error:
        raise CannotRun(f"scratch space: {error}") from error


@cache
def _folders_of(command: tuple[str, ...]) -> tuple[str, ...]:
    """Where a command's own program lies: what its interpreter knows, else the folder that its bin is in."""
    if command == DEFAULT:
        return tuple(own_folders())
    found = Path(shutil.which(command[0]) or command[0]).absolute()
    with suppress(CannotRun):
        return (*folders_of(found), str(found.parent.parent))
    return str(found.parent.parent), str(found.resolve().parent.parent)


def _beginning(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(2**16)
    return b""


@contextmanager
def _place(scratch: Path | None) -> Iterator[Path]:
    """Give a folder where temporary files lie; one with a short path where a socket below it had too long a name (unix(7)).

    Nobody else sweeps that one, so it is held as a process's own is: a killed evaluator leaves nothing there for good.
    """
    usual = (scratch or Path(gettempdir())).resolve()
    if len(os.fsencode(usual)) <= MOST_PLACE_BYTES:
        with TemporaryDirectory(prefix="pushline-trial-", dir=usual) as name:
            yield Path(name)
    else:
        with held_folder("trial", SHORT.resolve()) as folder:
            yield folder
