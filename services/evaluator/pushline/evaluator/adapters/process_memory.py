"""How much memory a process and those below it took at most, as Linux tells it in files."""

import re
from pathlib import Path

PROC = Path("/proc")


def peak_memory(pid: int, proc: Path = PROC) -> int:
    """Give the sum of what each took at most, in bytes; 0 where there is no such process, or this is told nowhere."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _text(proc / str(pid) / "status"), re.MULTILINE)
    total = int(found[1]) * 1024 if found else 0
    try:
        tasks = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return total
    return total + sum(peak_memory(int(child), proc) for task in tasks for child in _text(task / "children").split())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
