"""What the processes and folders of a line hold, and by how much that grows."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import linear_regression

from tests.faults.invariants import Held
from tests.faults.processes import FaultLine
from tests.faults.procfs import children_of, processes, runs, told
from tests.faults.services import Service

KEPT = ("cache", "mirrors", "objects", "repositories")  # folders that are kept on purpose, and bounded by tests of their own


def held(line: FaultLine) -> dict[str, Held]:
    return {name: held_by(service) for name, service in line.services.items()}


def held_by(service: Service) -> Held:
    pids = [service.pid, *children_of(service.pid)]
    lines = [each.split() for pid in pids for each in told(pid, "status").splitlines()]
    sums = {name: sum(int(words[1]) for words in lines if words and words[0] == name) for name in ("VmRSS:", "Threads:")}
    return Held(sums["VmRSS:"], sums["Threads:"], sum(_descriptors(pid) for pid in pids), len(left_in(service.work)))


def orphans(folder: Path) -> list[str]:
    """Give the processes that name a line's folder and descend from nobody here, as those of a service that was killed.

    Services are children of this process, however often they are started; so are git and what else a test runs in the folder.
    """
    ours = {os.getpid(), *children_of(os.getpid())}
    return [
        f"{pid} {' '.join(told(pid, 'cmdline').split(chr(0)))[:200].strip()}"
        for pid in processes()
        if pid not in ours and runs(pid) and any(str(folder) in told(pid, what) for what in ("cmdline", "environ", "mountinfo"))
    ]


def left_in(folder: Path) -> list[Path]:
    """Give the files that are neither kept on purpose nor git's."""
    return [path for path in folder.rglob("*") if path.is_file() and not set(path.relative_to(folder).parts) & set(KEPT)]


def slope(samples: Sequence[Mapping[str, Held]], hours: float) -> dict[str, float | str]:
    """Give by how much all services together grow an hour, by least squares over the rests, which lie about evenly."""
    if len(samples) < 3:
        return {}
    at = [hours * number / (len(samples) - 1) for number in range(len(samples))]

    def of(what: str) -> float:
        return round(linear_regression(at, [sum(getattr(each, what) for each in sample.values()) for sample in samples]).slope, 1)

    return {
        "memory_mib_per_h": round(of("resident") / 1024, 1),
        "threads_per_h": of("threads"),
        "fds_per_h": of("descriptors"),
        "files_per_h": of("files"),
    }


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0
