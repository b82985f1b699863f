"""Whether a model fits into memory, decided before it is loaded. What serves stays as it is; what does not fit is refused."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pushline.predictor.errors import LoadRefused

PATIENCE_SECONDS = 3.0  # what was swapped out is given back within them
LOOK_SECONDS = 0.2
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Memory:
    limit: int
    used: int
    limited_by: str

    @property
    def free(self) -> int:
        return max(0, self.limit - self.used)


class MemoryRoom:
    """Implements Room. `look` gives None where nothing limits the memory; then everything fits. Each of `processes` loads it."""

    def __init__(
        self, look: Callable[[], Memory | None], patience_seconds: float = PATIENCE_SECONDS, *, processes: int = 1
    ) -> None:
        self._look, self._patience, self._processes = look, patience_seconds, processes
        self._kept = 0  # for what is being loaded, some of which is in use already
        self._changed = threading.Condition()

    @contextmanager
    def held(self, needed: Callable[[], int]) -> Iterator[None]:
        count = self._processes * needed() if self._look() is not None else 0
        self._keep(count)
        try:
            yield
        finally:
            with self._changed:
                self._kept -= count
                self._changed.notify_all()

    def _keep(self, count: int) -> None:
        """Waits for loads that are under way, and for memory that is about to be given back."""
        until = time.monotonic() + self._patience
        with self._changed:
            while (memory := self._look()) is not None and count > memory.free - self._kept:
                if not self._kept and time.monotonic() >= until:
                    raise LoadRefused("memory", _sentence(count, memory, self._processes))
                self._changed.wait(LOOK_SECONDS)
            self._kept += count


def _sentence(count: int, memory: Memory, processes: int) -> str:
    them = f" in {processes} processes" if processes > 1 else ""
    return (
        f"the model needs about {count / MIB:.0f} MiB of memory{them}, and {memory.free / MIB:.0f} MiB are free "
        f"of the {memory.limit / MIB:.0f} MiB that {memory.limited_by} allows"
    )
