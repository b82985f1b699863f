"""How a supervisor is started in whatever encloses it, and the job that it is then told. Pure."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox.box import Job, SandboxUnavailable, Shown
from pushline.trainer.sandbox.filters import MACHINES, seccomp_program

SUPERVISOR = Path(__file__).with_name("supervisor.py")
NICE = 5
MAX_SCRATCH_FILES = 250_000  # each costs the kernel 1 KiB that no other limit counts
MAX_CPUS_DIVISOR = 8


@dataclass(frozen=True, slots=True)
class Enclosure:
    """RESULT_FD in the command stands for a number; the paths are as seen from inside."""

    command: tuple[str, ...]
    python: str
    source: str
    launcher: str
    base: str  # scratch space; the copy, the outputs and a home folder are made in it
    environment: Mapping[str, str]
    counts_own_processes: bool  # RLIMIT_NPROC there counts the sandbox's alone
    own_processes: int = 1  # the supervisor and what stands above it: whatever else there is has not ended
    is_boxed: bool = False  # it has a root of its own, where the scratch space is all that can be written
    needs_landlock: bool = False


def place_of(shown: Shown, base: str) -> str:
    """Give where it is to be seen, as a path inside."""
    return f"{base}/home/{shown.inside[2:]}" if shown.inside.startswith("~/") else f"{base}/work/{shown.inside}"


def job_words(enclosure: Enclosure, job: Job, progress_fd: int) -> dict[str, Any]:
    base = enclosure.base
    return {
        "command": _command(enclosure, job, progress_fd),
        "source": enclosure.source,
        "not_copied": [shown.inside for shown in job.shown if not shown.inside.startswith("~/")],
        "cwd": f"{base}/work",
        "out": f"{base}/out",
        "home": f"{base}/home",
        "environment": _environment(enclosure, job),
        "progress_fd": progress_fd,
        "confinement": _confinement(enclosure) if enclosure.is_boxed else None,
        "limits": _inner_limits(job.limits, counts_own_processes=enclosure.counts_own_processes),
    }


def _confinement(enclosure: Enclosure) -> dict[str, Any]:
    """A machine without a filter has no TensorFlow either."""
    machine = os.uname().machine
    if machine not in MACHINES:
        raise SandboxUnavailable(f"there is no filter of system calls for a machine of the kind {machine}")
    devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
    return {
        "filter": seccomp_program(machine).hex(),
        "needs_landlock": enclosure.needs_landlock,
        "written": [enclosure.base, "/dev/shm"],  # noqa: S108 - the sandbox's own
        "devices": devices,
    }


def _command(enclosure: Enclosure, job: Job, progress_fd: int) -> list[str]:
    """-P and -s are what is left of -I where a job has packages of its own; the environment is ours alone either way."""
    alone = ("-P", "-s") if job.python_path else ("-I",)
    launch = (
        "{python}",
        *alone,
        f"{enclosure.launcher}/launch.py",
        *job.arguments,
        "--out",
        "{out}",
        "--progress-fd",
        "{progress}",
    )
    meant = {"{python}": enclosure.python, "{out}": f"{enclosure.base}/out", "{progress}": str(progress_fd)}
    return [_filled(word, meant) for word in job.command or launch]


def _filled(word: str, meant: Mapping[str, str]) -> str:
    for name, text in meant.items():
        word = word.replace(name, text)
    return word


def _environment(enclosure: Enclosure, job: Job) -> dict[str, str]:
    path = {"PYTHONPATH": os.pathsep.join(map(str, job.python_path))} if job.python_path else {}
    places = {"HOME": f"{enclosure.base}/home", "TMPDIR": enclosure.base}
    return {**enclosure.environment, **job.environment, **path, **places}


def _inner_limits(limits: Limits, *, counts_own_processes: bool) -> dict[str, Any]:
    cpus = max(1, limits.processes // MAX_CPUS_DIVISOR)  # libraries make pools of one thread a CPU, several times over
    resources = {
        "RLIMIT_DATA": limits.memory_bytes,  # not AS: TensorFlow reserves far more addresses than it uses
        "RLIMIT_FSIZE": limits.disk_bytes,
        "RLIMIT_NOFILE": 4096,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(limits.timeout_seconds * min(cpus, os.cpu_count() or 1)) + 10,
    }
    if counts_own_processes:
        resources["RLIMIT_NPROC"] = limits.processes
    return {"resources": resources, "cpus": cpus, "nice": NICE}
