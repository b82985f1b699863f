"""A control group of its own for a sandbox, where the machine lets us make one: the kernel's own limits behind the watchdog."""

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
EMPTY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ControlGroup:
    folders: tuple[Path, ...]

    def add(self, pid: int) -> None:
        for folder in self.folders:
            with suppress(OSError):
                (folder / "cgroup.procs").write_text(str(pid))

    def counted(self, name: str) -> int:
        """Give a counter of the kernel: oom_kill (processes ended for memory), max (forks refused)."""
        total = 0
        for folder in self.folders:
            for file in ("memory.events", "memory.oom_control", "pids.events"):
                with suppress(OSError):
                    pairs = (line.split() for line in (folder / file).read_text().splitlines())
                    total += sum(
                        int(pair[1]) for pair in pairs if pair[0] == name and not (name == "max" and file != "pids.events")
                    )
        return total

    def remove(self) -> None:
        """What was killed leaves a group a moment later."""
        deadline = time.monotonic() + EMPTY_SECONDS
        for folder in self.folders:
            while not _removed(folder) and time.monotonic() < deadline:
                time.sleep(0.01)


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def make(memory_bytes: int, processes: int) -> ControlGroup | None:
    name = f"pushline-{uuid.uuid4().hex[:12]}"
    folders = tuple(folder for folder in (_make(kind, name) for kind in _places()) if folder is not None)
    for folder in folders:
        _set(folder, ("memory.max", "memory.limit_in_bytes"), memory_bytes)
        _set(folder, ("memory.swap.max",), 0)
        _set(folder, ("pids.max",), processes)
    return ControlGroup(folders) if folders else None


def _places() -> list[Path]:
    """Give our own groups of the memory and pids controllers: one under version 2, two under version 1."""
    places = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers and (ROOT / "cgroup.controllers").exists():
            places.append(ROOT / path.lstrip("/"))
        for controller in {"memory", "pids"} & set(controllers.split(",")):
            base = ROOT / controller
            places.append(base / path.lstrip("/") if (base / path.lstrip("/")).is_dir() else base)
    return places


def _make(parent: Path, name: str) -> Path | None:
    try:
        if (parent / "cgroup.subtree_control").exists():
            (parent / "cgroup.subtree_control").write_text("+memory +pids")
        (parent / name).mkdir()
    except OSError:
        return None
    return parent / name


def _set(folder: Path, names: tuple[str, ...], value: int) -> None:
    for name in names:
        if (folder / name).exists():
            with suppress(OSError):
                (folder / name).write_text(str(value))
