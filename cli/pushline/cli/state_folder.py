"""The one folder of an embedded line: made for it, held by one line at a time, gone when the line ends."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushline.cli.exits import Exit, Said

LOCK = "line.lock"  # also the mark by which a folder is known as ours


@contextmanager
def state_folder(folder: Path) -> Iterator[Path]:
    """Raises Said where another line holds it, or it holds something that is not Pushline's."""
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
        _empty(folder)  # of a line that was killed
        try:
            yield folder
        finally:
            _empty(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path) -> None:
    for inside in folder.iterdir():
        if inside.name == LOCK:
            continue
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
        else:
            inside.unlink(missing_ok=True)
