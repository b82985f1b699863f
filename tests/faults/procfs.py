"""Processes as /proc shows them."""

from pathlib import Path


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def children_of(pid: int) -> list[int]:
    """Give every process below this one."""
    parents = {each: told(each, "stat").rpartition(")")[2].split()[1:2] for each in processes()}
    found, more = [], [pid]
    while more:
        more = [each for each, parent in parents.items() if parent and int(parent[0]) in more]
        found += more
    return found


def runs(pid: int) -> bool:
    """Say whether it is there and no mere entry that nobody has read the exit code of."""
    state = told(pid, "stat").rpartition(")")[2].split()[:1]
    return state not in ([], ["Z"], ["X"])


def told(pid: int, what: str) -> str:
    """Give a file of /proc about a process, "" where it is gone or not ours to read."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
    except OSError:
        return ""
