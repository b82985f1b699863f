"""Engines that are open: those that serve, and of each model the one before it, so that a rollback opens nothing.

An engine is closed once no deployment that was given out uses it, unless it is the one that its model served last; that one goes
when memory runs short, or when another one takes its place.
"""

import threading
from dataclasses import dataclass

from pushline.predictor.prepared import ModelFiles
from pushline.predictor.serving import Loaded


@dataclass(slots=True, eq=False)
class _Open:
    files: ModelFiles
    loaded: Loaded  # whose identity is of no matter
    users: int = 1


class Residents:
    """Safe to use from many threads, none of which answers requests: to close an engine takes time."""

    def __init__(self, *, keeps: bool) -> None:
        """`keeps` says whether anything stays open that nobody uses."""
        self._keeps = keeps
        self._open: list[_Open] = []
        self._spare: dict[str, _Open] = {}  # by model: what it served before, and nobody uses
        self._lock = threading.Lock()

    @property
    def spare(self) -> frozenset[str]:
        """Name the models that have an engine open beside the one that serves."""
        with self._lock:
            return frozenset(self._spare)

    def take(self, files: ModelFiles) -> Loaded | None:
        """Give what these files are open as, for another deployment of them; to be given back once."""
        with self._lock:
            for each in self._open:
                if each.files == files:
                    each.users += 1
                    self._spare = {model: spare for model, spare in self._spare.items() if spare is not each}
                    return each.loaded
        return None

    def add(self, files: ModelFiles, loaded: Loaded) -> None:
        """Note what was just opened; to be given back once."""
        with self._lock:
            self._open.append(_Open(files, loaded))

    def give_back(self, loaded: Loaded) -> None:
        """Its deployment was swapped out, and has answered its last request."""
        self._end(loaded, keep=self._keeps)

    def discard(self, loaded: Loaded) -> None:
        """Its deployment was never served."""
        self._end(loaded, keep=False)

    def drop_spare(self) -> bool:
        """Close what nobody uses; say whether there was something."""
        with self._lock:
            dropped, self._spare = list(self._spare.values()), {}
            self._open = [each for each in self._open if each not in dropped]
        for each in dropped:
            each.loaded.engine.close()
        return bool(dropped)

    def _end(self, loaded: Loaded, *, keep: bool) -> None:
        closing: _Open | None = None
        with self._lock:
            found = next((each for each in self._open if each.loaded.engine is loaded.engine), None)
            if found is not None:
                found.users -= 1
                if not found.users:
                    closing = self._spare.pop(found.files.model, None) if keep else found
                    if keep:
                        self._spare[found.files.model] = found
            self._open = [each for each in self._open if each is not closing]
        if closing is not None:
            closing.loaded.engine.close()
