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
    """Give what they hold together, a page that several share counted once; all of it for one that hides how it shares."""
    return sum(_proportional(process) for process in processes)


class Scratch:
    """The scratch space of a sandbox with a root of its own, looked at from outside through one of its processes."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._outside = Path("/").stat().st_dev

    def files(self, processes: list[Process]) -> int:
        """Give how many there are, 0 where nobody is inside yet or any more."""
        for process in reversed(processes):
            root = Path(f"/proc/{process.pid}/root")
            with suppress(OSError):
                if root.stat().st_dev != self._outside:
                    state = os.statvfs(f"{root}{self._base}")
                    return state.f_files - state.f_ffree
        return 0


def offer_to_oom_killer(pid: int) -> None:
    """What it starts inherits this: where the machine runs out of memory, trainings go first."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


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
    return process.resident_bytes
