"""A folder for a process's temporary files, so that a killed one leaves nothing behind for good.

Each process has one of its own under the machine's temporary folder, with a lock that the kernel lets go of when it dies. Whoever
starts next removes those whose lock is free, and ends what is left of their children: whoever names such a folder on its command
line. A folder of a name that another user holds is not used: there may be links in it.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "lock"
LOOKS, LOOK_AGAIN_SECONDS = 50, 0.02  # of a process that is slow to go


@contextmanager
def scratch(service: str) -> Iterator[Path]:
    """Give the folder, and let `tempfile` use it while this lasts. It is removed at the end."""
    before = tempfile.tempdir
    with held_folder(service, Path(tempfile.gettempdir())) as own:
        tempfile.tempdir = str(own)
        try:
            yield own
        finally:
            tempfile.tempdir = before


@contextmanager
def held_folder(name: str, below: Path) -> Iterator[Path]:
    """Give a folder for as long as this lasts, and remove those of the same name whose process is gone."""
    around = below / f"pushline-{name}-{os.geteuid()}"
    around.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(around):
        around = Path(tempfile.mkdtemp(prefix=f"pushline-{name}-", dir=below))
    own, lock = _make(around)
    try:
        _sweep(around)
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):
            around.rmdir()  # where no other process has one there


def _make(around: Path) -> tuple[Path, int]:
    """Give a new folder and its lock. A sweep of another process that came between the two takes it away: then once more."""
    while True:
        own = Path(tempfile.mkdtemp(dir=around))
        with suppress(FileNotFoundError):
            lock = os.open(own / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (own / LOCK).exists():
                return own, lock
            os.close(lock)


def _sweep(around: Path) -> None:
    for folder in around.iterdir():
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            continue  # another one sweeps it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_children(folder)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # its process lives
        finally:
            os.close(lock)


def _end_children(folder: Path) -> None:
    """Their process is gone, and nobody else knows the folder's name: its end is drawn by chance.

    Looks again until there are none, since one that ended may have started another in front of it.
    """
    name = os.fsencode(f"/{folder.parent.name}/{folder.name}")
    for _ in range(LOOKS):
        if not _ended_any(name):
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def _ended_any(name: bytes) -> bool:
    found = False
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is somebody else's
            if process.stat().st_uid == os.geteuid() and name in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                found = True
    return found


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return not folder.is_symlink() and found.st_uid == os.geteuid() and not found.st_mode & 0o022
