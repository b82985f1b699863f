"""What a sandbox is asked for and what it answers. ladder.py chooses among its implementations."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pushline.runtime.operator_file import Limits


class SandboxUnavailable(Exception):
    """No sandbox can be made on this machine; the message says what to install or allow. Nothing was run."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A file or folder of the machine that can be read inside, and not written."""

    source: Path
    inside: str  # beside the script ("data"), or in the home folder ("~/.keras/datasets"); in place of the source's own

    def __post_init__(self) -> None:
        parts = self.inside.removeprefix("~/").split("/")
        if not all(parts) or {".", "..", "~"} & set(parts):
            raise ValueError(f"{self.inside!r} is no place inside a sandbox")


@dataclass(frozen=True, slots=True)
class Job:
    source: Path  # the checkout; what runs gets a copy of it
    launcher: Path  # folder with launch.py, which is started as `launch.py <arguments> --out OUT --progress-fd N`
    arguments: tuple[str, ...]
    limits: Limits
    results: Path  # an empty folder for the files that come out
    on_log: Callable[[bytes], None]  # called from other threads, as is on_progress
    on_progress: Callable[[Mapping[str, Any]], None]
    shown: tuple[Shown, ...] = ()
    python_path: tuple[Path, ...] = ()  # folders of packages, in front of the training environment's own; read-only, where they lie
    command: tuple[str, ...] = ()  # in place of the launcher; {python}, {out} and {progress} in it stand for what they say
    environment: Mapping[str, str] = field(default_factory=dict)  # more of it; never anything secret


@dataclass(frozen=True, slots=True)
class Received:
    """A regular file that came out, as it lies in the results folder."""

    name: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Ended:
    stopped: str  # "" where it ended by itself; else cancelled | timeout | memory | processes | files | pretended
    exit_code: int | None  # negative: the signal that ended it; None: unknown, it was stopped or tore down its own supervisor
    disk_full: bool
    memory_refused: bool  # the kernel ended a process of it for memory
    tail: str  # the last lines of its output, safe to print
    files: dict[str, Received] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # name of an output → why it was left inside
    seconds: float = 0.0


class Sandbox(Protocol):
    name: str  # as it stands in the trained event

    @property
    def environment_sha256(self) -> str:
        """Digest of the training environment: its Python and every package in it, with versions."""
        ...

    def check(self) -> None:
        """See that something can be run. Raises SandboxUnavailable."""
        ...

    def run(self, job: Job, cancelled: threading.Event, /) -> Ended:
        """Run to the end, the deadline, a limit or until cancelled; nothing of it is left running.

        Raises SandboxUnavailable, and OSError where what came out cannot be written here: that says nothing of the script.
        """
        ...
