"""Has what an operator changed read again: his file, tokens, certificates. Which files those are may change with them."""

from collections.abc import Callable
from pathlib import Path

from pushline.runtime.file_watch import FileWatch


class ConfigWatch:
    """start(), stop()."""

    def __init__(self, first: Path, others: Callable[[], tuple[Path, ...]], changed: Callable[[], None]) -> None:
        self._first, self._others, self._changed = first, others, changed
        self._watched: tuple[Path, ...] = ()
        self._watch: FileWatch | None = None

    def start(self) -> None:
        self._watched = (self._first, *self._others())
        self._watch = FileWatch(self._watched, self._read_again)
        self._watch.start()

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def _read_again(self) -> None:
        self._changed()
        if (self._first, *self._others()) != self._watched:
            self.stop()
            self.start()
