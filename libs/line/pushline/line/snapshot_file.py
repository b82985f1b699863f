"""Where a process keeps the snapshot of its fold: one file in a folder of its own. Whatever is wrong with it costs time only."""

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pushline.line.snapshot import Snapshot, Unusable, parts_of, read

NAME, PART = "ledger.snapshot", "ledger.snapshot.part"
MAX_BYTES = 4 << 30
MODE = 0o600


class SnapshotFile:
    """`tell` hears what goes wrong, a sentence each. Two processes that share a folder do each other no harm."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell

    @classmethod
    def where(cls, folder: Path | None, tell: Callable[[str], None]) -> "SnapshotFile | None":
        """None where there is no folder."""
        return cls(folder, tell) if folder is not None else None

    def load(self) -> Snapshot | None:
        try:
            return read(_bytes_of(self._folder / NAME))
        except FileNotFoundError:
            return None
        except (OSError, Unusable) as error:
            self.drop(str(error))
            return None

    def drop(self, why: str) -> None:
        """Remove it and say why; where nothing is there, nothing is said."""
        try:
            (self._folder / NAME).unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            why = f"{why}; and it cannot be removed: {error}"
        self._tell(f"the snapshot in {self._folder} is not used, the log is read from its start: {why}")

    def save(self, snapshot: Snapshot) -> bool:
        """Write it whole or not at all. Not synced: one that a power cut leaves cut is seen to be."""
        part = self._folder / PART
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, MODE), "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                file.writelines(parts_of(snapshot))
                file.flush()
                part.replace(self._folder / NAME)
        except BlockingIOError:
            return False  # another process of this folder writes its own
        except (OSError, ValueError) as error:
            with suppress(OSError):
                part.unlink()
            self._tell(f"no snapshot could be written in {self._folder}: {error}")
            return False
        return True


def _bytes_of(path: Path) -> bytes:
    """Raises OSError, Unusable: nobody else may have written it."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode) or told.st_uid != os.geteuid() or told.st_mode & 0o077:
            raise Unusable("it is no file that this user alone may read and write")
        if told.st_size > MAX_BYTES:
            raise Unusable(f"it is larger than {MAX_BYTES} bytes")
        return file.read()
