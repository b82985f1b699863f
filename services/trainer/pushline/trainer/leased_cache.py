"""Folders on this machine by key: made once, read by many, the one that was not used for longest dropped first.

Several processes may share one. A lock a key, held shared by who reads and alone by who makes or drops; the kernel lets go of it
when a process dies. What is there is whole: it is made beside and moved in one step.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.1
LOCK, MAKING = ".lock", ".making"


class LeaseCancelled(Exception):
    """`cancelled` was set while another made it."""


@dataclass(frozen=True, slots=True)
class LeasedCache:
    folder: Path
    max_entries: int
    max_bytes: int

    @contextmanager
    def lease(self, key: str, make: Callable[[Path], None], cancelled: threading.Event) -> Iterator[Path]:
        """Give the folder of the key, filled by `make` where it is not there. It stays until the lease ends.

        Raises LeaseCancelled, and what `make` raises (then nothing is left behind).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        entry, lock = self.folder / key, self.folder / (key + LOCK)
        while True:
            with _locked(lock, fcntl.LOCK_SH, cancelled):
                if entry.is_dir():
                    os.utime(entry)
                    yield entry
                    return
            with _locked(lock, fcntl.LOCK_EX, cancelled):
                if not entry.is_dir():
                    self._make(entry, make)

    def drop(self, key: str) -> bool:
        """Drop what is not in use, or was left half made. Says whether it is gone."""
        lock = self.folder / (key + LOCK)
        descriptor = _lock(lock, fcntl.LOCK_EX)
        if descriptor is None:
            return False
        try:
            _remove(self.folder / key)
            _remove(self.folder / (key + MAKING))
            lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        return True

    def keys(self) -> list[str]:
        """Give what is there, the one that was not used for longest first."""
        found: list[tuple[float, str]] = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                if not path.name.endswith((LOCK, MAKING)):
                    found.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found)]

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        making = entry.with_name(entry.name + MAKING)
        _remove(making)
        making.mkdir(mode=0o700)
        try:
            make(making)
            self._make_room(size_of(making))
            making.rename(entry)
        finally:
            _remove(making)

    def _make_room(self, wanted: int) -> None:
        for left in self.folder.glob(f"*{MAKING}"):  # by a process that died; what is being made now is locked
            if not (self.folder / left.stem).exists():
                self.drop(left.stem)
        sizes = {key: size_of(self.folder / key) for key in self.keys()}
        for key in list(sizes):
            if len(sizes) < self.max_entries and sum(sizes.values()) + wanted <= self.max_bytes:
                return
            if self.drop(key):
                del sizes[key]


def size_of(folder: Path) -> int:
    """Give the bytes of all files below; what goes meanwhile counts nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(where, name).lstat().st_size
    return total


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextmanager
def _locked(path: Path, kind: int, cancelled: threading.Event) -> Iterator[None]:
    descriptor = _lock(path, kind)
    while descriptor is None:
        if cancelled.wait(LOOK_SECONDS):
            raise LeaseCancelled
        descriptor = _lock(path, kind)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, kind: int) -> int | None:
    """Lock the file if nobody is in the way, and only if it is still the one that has this name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    os.close(descriptor)
    return None
