"""The second rung: the kernel's namespaces by the system call unshare, without bubblewrap, and Landlock as a second layer.

Same view as under bubblewrap. Landlock is required here: no other project's care stands behind this root, so two layers do.
"""

import ctypes
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pushline.trainer.sandbox.box import Ended, Job, SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import (
    ACCOUNTS,
    FORBIDDEN,
    INSIDE_UID,
    SCRATCH,
    SETTINGS,
    SHARED_MEMORY_BYTES,
    SYSTEM,
    environment_for,
)
from pushline.trainer.sandbox.enclosure import MAX_SCRATCH_FILES, SUPERVISOR, Enclosure, place_of
from pushline.trainer.sandbox.interpreter import Interpreter, look_at
from pushline.trainer.sandbox.probe import probe
from pushline.trainer.sandbox.supervised import run_supervised

ENCLOSE = Path(__file__).with_name("enclose.py")
DEVICES = ("null", "zero", "full", "random", "urandom")
LANDLOCK_CREATE_RULESET, ASK_VERSION = 444, 1
SHARED_MEMORY_FILES = 16_384


@dataclass
class Unshare:
    training_python: Path
    work_folder: Path
    name: str = field(default="unshare", init=False)
    _interpreter: Interpreter | None = field(default=None, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def check(self) -> None:
        with self._guard:
            if self._interpreter is None:
                self._interpreter = self._looked()

    @property
    def environment_sha256(self) -> str:
        self.check()
        return self._known.environment_sha256

    def run(self, job: Job, cancelled: threading.Event, /) -> Ended:
        self.check()
        try:
            return run_supervised(_enclosure(self._known, job), job, cancelled)
        except SandboxUnavailable as error:
            raise SandboxUnavailable(f"unshare cannot make a sandbox: {error}. {FORBIDDEN}") from None

    @property
    def _known(self) -> Interpreter:
        if self._interpreter is None:
            raise SandboxUnavailable("the sandbox was not checked")
        return self._interpreter

    def _looked(self) -> Interpreter:
        if landlock_version() < 1:
            raise SandboxUnavailable(
                "unshare is not used without Landlock, which this kernel lacks (Linux 5.13 or newer, lsm=landlock)"
            )
        interpreter = look_at(self.training_python)
        try:
            probe(lambda job: _enclosure(interpreter, job), self.work_folder)
        except SandboxUnavailable as error:
            raise SandboxUnavailable(f"unshare cannot make a sandbox: {error}. {FORBIDDEN}") from None
        return interpreter


def landlock_version() -> int:
    """Give the kernel's Landlock ABI, below 1 where there is none."""
    return int(ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, ASK_VERSION)) if sys.platform == "linux" else 0


def _enclosure(interpreter: Interpreter, job: Job) -> Enclosure:
    python = str(interpreter.executable)
    plan = {
        "uid": int(INSIDE_UID),
        "host": "sandbox",
        "memory": [
            (SCRATCH, job.limits.disk_bytes, MAX_SCRATCH_FILES + 50_000),
            ("/dev", 64 * 1024, 64),
            ("/dev/shm", SHARED_MEMORY_BYTES, SHARED_MEMORY_FILES),  # noqa: S108 - the sandbox's own
        ],
        "links": [*_system_links(), ("/proc/self/fd", "/dev/fd"), *_standard_streams()],
        "devices": [(f"/dev/{name}", f"/dev/{name}") for name in DEVICES],
        "shown": [*_system_folders(), *_parts(interpreter), *_of_job(job)],
        "files": [("/etc/passwd", ACCOUNTS)],
    }
    return Enclosure(
        command=(python, "-I", "-S", str(ENCLOSE), json.dumps(plan), "--", python, "-I", "-S", "/supervisor.py", "RESULT_FD"),
        python=python,
        source="/source",
        launcher="/launcher",
        base=SCRATCH,
        environment=environment_for(interpreter),
        counts_own_processes=True,  # Landlock came with a kernel that does
        own_processes=2,
        is_boxed=True,
        needs_landlock=True,
    )


def _system_links() -> list[tuple[str, str]]:
    paths = (Path("/", name) for name in SYSTEM)
    return [(str(path.readlink()), str(path)) for path in paths if path.is_symlink()]


def _standard_streams() -> list[tuple[str, str]]:
    return [(f"/proc/self/fd/{number}", f"/dev/{name}") for number, name in enumerate(("stdin", "stdout", "stderr"))]


def _system_folders() -> Iterator[tuple[str, str]]:
    yield "/usr", "/usr"
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_dir() and not path.is_symlink():
            yield str(path), str(path)
    for setting in SETTINGS:
        if Path(setting).exists():
            yield str(Path(setting).resolve()), setting


def _parts(interpreter: Interpreter) -> Iterator[tuple[str, str]]:
    for folder in interpreter.folders:
        if not folder.is_relative_to("/usr"):
            yield str(folder.resolve()), str(folder)
    yield str(SUPERVISOR.resolve()), "/supervisor.py"


def _of_job(job: Job) -> Iterator[tuple[str, str]]:
    yield str(job.source.resolve()), "/source"
    yield str(job.launcher.resolve()), "/launcher"
    for shown in job.shown:
        yield str(shown.source.resolve()), place_of(shown, SCRATCH)
    for folder in job.python_path:
        yield str(folder.resolve()), str(folder)
