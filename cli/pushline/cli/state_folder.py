"""The one folder of a line: made for it, held by one line at a time, gone when it ends but for what real servers keep."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushline.cli.exits import Exit, Said

KEPT = "servers"  # what real servers keep between starts
LOCK = "line.lock"  # also the mark by which a folder is known as ours


@contextmanager
def state_folder(folder: Path, keep: str = "") -> Iterator[Path]:
    """Raises Said where another line holds it, or it holds something that is not Pushline's. `keep` stays, whatever ends."""
    if folder.is_dir() and not (folder / LOCK).exists() and any(folder.iterdir()):
        raise Said(f"{folder} is not empty and no state folder of Pushline; name another one in [up] state.", Exit.BAD_FILE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = (folder / LOCK).open("a")
    except OSError as error:
        raise Said(f"The state folder {folder} cannot be used: {error.strerror}.", Exit.BAD_FILE) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Said(f"A line runs in {folder} already; stop it, or name another [up] state.", Exit.BAD_FILE) from None
        if not keep and (folder / KEPT).exists():
            raise Said(f"{folder} holds a line on real servers: add --real, or name another [up] state.", Exit.BAD_FILE)
        _empty(folder, keep)  # of a line that was killed
        try:
            yield folder
        finally:
            _empty(folder, keep)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path, keep: str) -> None:
    for inside in folder.iterdir():
        if inside.name in (LOCK, keep):
            continue
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
        else:
            inside.unlink(missing_ok=True)
