"""How much memory this process may have, and has: by a setting, else by the cgroups it is in. Linux tells it in files."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pushline.predictor.room import Memory

CGROUPS, PROC = Path("/sys/fs/cgroup"), Path("/proc")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_(?:in)?active_file")
VERSION_2 = ("memory.max", "memory.current", "(?:in)?active_file")
UNLIMITED = 2**60  # version 1 says a number like this where there is no limit
SETTING = "PUSHLINE_MEMORY"


def memory(limit: int | None) -> Callable[[], Memory | None]:
    """Give what looks. With a limit, what is used is this process and those it started."""
    if limit is not None:
        return lambda: Memory(limit, resident(PROC, os.getpid()), SETTING)
    return lambda: of_cgroups(CGROUPS, _text(PROC / "self" / "cgroup"))


def machine() -> Memory | None:
    return of_machine(_text(PROC / "meminfo"))


def tightest() -> Memory | None:
    """Give what this process may have by its cgroups, or what its machine has, whichever has less room."""
    found = (machine(), memory(None)())
    return min((each for each in found if each is not None), key=lambda each: each.free, default=None)


def of_machine(told: str) -> Memory | None:
    """Give what all processes together have; `told` is what /proc/meminfo says."""
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", told, re.MULTILINE))
    if len(found) < 2:  # noqa: PLR2004 - both
        return None
    total = int(found["MemTotal"]) * 1024
    return Memory(total, total - int(found["MemAvailable"]) * 1024, "this machine")


def of_cgroups(root: Path, told: str) -> Memory | None:
    """Give the one with the least room among those that limit a process; `told` is what its /proc/self/cgroup says."""
    lines = re.findall(r"^\d+:([^:\n]*):(/.*)$", told, re.MULTILINE)
    return min((found for line in lines for found in _limits(root, *line)), key=lambda found: found.free, default=None)


def _limits(root: Path, controllers: str, path: str) -> Iterator[Memory]:
    """Of a group and all groups it is in. In a container the path may be of the outside: then the top is what there is."""
    if controllers and "memory" not in controllers.split(","):
        return
    limit, used, files = VERSION_1 if controllers else VERSION_2
    top = root / "memory" if controllers else root
    names = [name for name in path.split("/") if name]
    for count in range(0 if ".." in names else len(names), -1, -1):
        folder = top.joinpath(*names[:count])
        allowed = _number(_text(folder / limit))
        if allowed is not None and allowed < UNLIMITED:
            cached = re.findall(rf"^{files} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)  # can be taken back at any time
            yield Memory(allowed, max(0, (_number(_text(folder / used)) or 0) - sum(map(int, cached))), "its cgroup")


def resident(proc: Path, pid: int) -> int:
    """Give the bytes of a process and of all that it started."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", _text(proc / str(pid) / "status"), re.MULTILINE)
    total = int(found[1]) * 1024 if found else 0
    with suppress(OSError):
        for task in (proc / str(pid) / "task").iterdir():
            total += sum(resident(proc, int(child)) for child in _text(task / "children").split())
    return total


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,20}\s*", text, re.ASCII) else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
