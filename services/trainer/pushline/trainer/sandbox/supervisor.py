"""The first process inside the sandbox: copies the source, starts the launcher under its limits, and sends out what it left.

Runs alone (python -I -S supervisor.py RESULT_FD), on the standard library, by the training interpreter; its job comes as JSON on
stdin. Nothing here is trusted by the outside: what runs may do as it likes with this process, and everything sent is checked again.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
RIGHTS_BY_LANDLOCK_VERSION = (0, 13, 14, 15, 15, 16)  # rights on files that each version knows
READ, DEVICE = 0b1101, 1 << 15  # execute, read a file, read a folder; ioctl on a device
WRITE_TO_DEVICE = 1 << 1 | 1 << 2 | 1 << 14 | DEVICE
MAKE_DEVICES = 1 << 6 | 1 << 11
LIBC = ctypes.CDLL(None, use_errno=True)
SAMPLE_SECONDS = 0.1
FULL_BYTES = 64 * 1024
CHUNK = 1024 * 1024


def main() -> None:
    out = os.fdopen(int(sys.argv[1]), "wb")
    _say(out, {"ready": True})
    text = sys.stdin.buffer.read()
    if text:
        job = json.loads(text)
        _send(out, _run(job), Path(job["out"]))


def _run(job: dict[str, Any]) -> dict[str, Any]:
    _adopt_orphans()
    try:
        shutil.copytree(
            job["source"], job["cwd"], symlinks=True, dirs_exist_ok=True, ignore=_left_out(job["source"], job["not_copied"])
        )
        for folder in ("out", "home"):
            Path(job[folder]).mkdir(exist_ok=True)
    except OSError as error:
        return {
            "exit": None,
            "disk_full": _is_full(job["cwd"]),
            "problem": f"the repository does not fit into the sandbox: {error}",
        }
    rules = _landlock(job["confinement"]) if job["confinement"] else None
    child = subprocess.Popen(
        job["command"],
        stdin=subprocess.DEVNULL,
        cwd=job["cwd"],
        env=job["environment"],
        pass_fds=(job["progress_fd"],),
        preexec_fn=lambda: _confine(job, rules),  # noqa: PLW1509 - this process has one thread
    )
    os.close(job["progress_fd"])
    if rules is not None:
        os.close(rules)
    full = _wait(child, job["cwd"])
    _end_survivors()
    return {"exit": child.returncode, "disk_full": full, "problem": ""}


def _wait(child: "subprocess.Popen[bytes]", folder: str) -> bool:
    """Wait for its end and say whether the scratch space was ever seen full. Popen.wait looks only so often."""
    full, ends = False, select.poll()
    with contextlib.suppress(OSError):  # a kernel without it
        ends.register(os.pidfd_open(child.pid), select.POLLIN)
        while child.poll() is None:
            ends.poll(SAMPLE_SECONDS * 1000)
            full = full or _is_full(folder)
    while child.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(SAMPLE_SECONDS)
        full = full or _is_full(folder)
    return full or _is_full(folder)


def _left_out(source: str, places: list[str]) -> Callable[[str, list[str]], set[str]]:
    """What is shown at a place inside takes that of what the repository has there."""
    paths = {os.path.join(source, place) for place in places}  # noqa: PTH118 - as copytree names them

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if os.path.join(folder, name) in paths}  # noqa: PTH118

    return ignored


def _adopt_orphans() -> None:
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(limits: dict[str, Any]) -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for name, value in limits["resources"].items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: limits["cpus"]])
    os.nice(limits["nice"])


def _confine(job: dict[str, Any], rules: int | None) -> None:
    """In the new process, before the launcher: what is told here holds for all that comes of it, and not for the supervisor."""
    _limit(job["limits"])
    if job["confinement"] is None:
        return
    _call(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if rules is not None:
        _call(LIBC.syscall(LANDLOCK_RESTRICT_SELF, rules, 0))
    steps = bytes.fromhex(job["confinement"]["filter"])
    program = ctypes.create_string_buffer(steps, len(steps))
    _call(
        LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(program)), 0, 0)
    )


def _landlock(confinement: dict[str, Any]) -> int | None:
    """Everything may be read, the scratch space written; signals and sockets reach nobody above."""
    version = LIBC.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        if confinement["needs_landlock"]:
            sys.exit("this kernel has no Landlock")
        return None
    known = (1 << RIGHTS_BY_LANDLOCK_VERSION[min(version, 5)]) - 1
    attributes = struct.pack("QQQ", known, 0, 0b11 if version >= 6 else 0)[: 24 if version >= 6 else 16 if version >= 4 else 8]  # noqa: PLR2004
    rules = _call(LIBC.syscall(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0))
    allowed = {"/": READ, **dict.fromkeys(confinement["devices"], WRITE_TO_DEVICE)}
    allowed |= dict.fromkeys(confinement["written"], known & ~(MAKE_DEVICES | DEVICE))
    for path, rights in allowed.items():
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call(LIBC.syscall(LANDLOCK_ADD_RULE, rules, 1, struct.pack("=Qi", rights & known, place), 0))
        os.close(place)
    return rules


def _call(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def _is_full(folder: str) -> bool:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize < FULL_BYTES


def _end_survivors() -> None:
    """End what the launcher left running, so that nothing changes the results any more."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        left = _descendants(os.getpid())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _descendants(root: int) -> list[int]:
    parents = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{int(name)}/stat").read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {root})


def _send(out: IO[bytes], done: dict[str, Any], folder: Path) -> None:
    """One line of JSON with every file's name and size, then their bytes, one after the other."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []  # noqa: PTH208 - names alone
    files, opened = [], []
    for name in names[:64]:
        descriptor, facts = _open(folder / name)
        files.append({"name": name, **facts})
        if descriptor is not None:
            opened.append((descriptor, facts["size"]))
    _say(out, {**done, "files": files})
    for descriptor, size in opened:
        with os.fdopen(descriptor, "rb") as file:
            _copy(file, out, size)
    out.flush()


def _open(path: Path) -> tuple[int | None, dict[str, Any]]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return None, {"refused": "is a symbolic link" if path.is_symlink() else f"cannot be opened: {error.strerror}"}
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(descriptor)
        return None, {"refused": "is no regular file" if not stat.S_ISREG(facts.st_mode) else "has a second name"}
    return descriptor, {"size": facts.st_size}


def _copy(file: IO[bytes], out: IO[bytes], size: int) -> None:
    left = size
    while left:
        chunk = file.read(min(left, CHUNK))
        if not chunk:
            sys.exit("an output shrank while it was sent")
        out.write(chunk)
        left -= len(chunk)


def _say(out: IO[bytes], words: dict[str, Any]) -> None:
    out.write(json.dumps(words).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
