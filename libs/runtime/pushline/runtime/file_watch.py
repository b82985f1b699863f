"""Files that an operator or a certificate manager replaces while a process runs. Says that they changed; reads nothing itself."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

LOOK_SECONDS = 1.0
Seen = tuple[tuple[int, ...] | None, ...]  # what tells one state of each file from another; None: not there


class FileWatch:
    """Calls `changed` once the files differ from what they were when this was made, and stood still from one look to the next.

    Whoever replaces two files does it one after the other, so what is seen between them is not acted on. `changed` is called in the
    watch's own thread, again for each further change, and must not raise. Links are followed.
    """

    def __init__(self, files: Sequence[Path], changed: Callable[[], None], look_seconds: float = LOOK_SECONDS) -> None:
        self._files, self._changed, self._look_seconds = files, changed, look_seconds
        self._told = self._before = self._seen()
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="file-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """One look."""
        now = self._seen()
        if now == self._before and now != self._told:
            self._told = now
            self._changed()
        self._before = now

    def _watch(self) -> None:
        while not self._stopped.wait(self._look_seconds):
            self.look()

    def _seen(self) -> Seen:
        return tuple(_state(file) for file in self._files)


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
