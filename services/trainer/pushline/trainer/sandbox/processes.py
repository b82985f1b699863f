"""What a tree of processes uses, read from /proc by the outside."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    threads: int
    resident_bytes: int


def tree(root: int) -> list[Process]:
    """Give a process and all that descend from it; zombies left out."""
    every = {process.pid: process for process in _every()}
    found = {root}
    while more := {process.pid for process in every.values() if process.parent in found} - found:
        found |= more
    return [every[pid] for pid in sorted(found) if pid in every]


def memory_of(processes: list[Process]) -> int:
    """Give what they hold together, a page that several share counted once where the kernel tells."""
    return sum(_proportional(process) for process in processes)


def kill_tree(root: int) -> None:
    """End all of them, children first: an orphan then still has a parent in the tree."""
    for process in reversed(tree(root)):
        if process.pid != root:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)


def _every() -> list[Process]:
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone, many times a second
        if not name.isdigit():
            continue
        with suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                found.append(Process(int(name), int(fields[1]), int(fields[17]), int(fields[21]) * PAGE))
    return found


def _proportional(process: Process) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError):
        _, resident, shared, *_ = Path(f"/proc/{process.pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * PAGE
    return process.resident_bytes
