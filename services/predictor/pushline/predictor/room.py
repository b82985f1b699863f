"""Whether a model fits into memory, decided before it is loaded. What serves stays as it is; what does not fit is refused."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pushline.predictor.errors import LoadRefused

PATIENCE_SECONDS = 3.0  # what was swapped out is given back within them
LOOK_SECONDS = 0.2
EASE_SECONDS = 2.0
SHORT = 0.1  # of the limit
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Memory:
    limit: int
    used: int
    limited_by: str

    @property
    def free(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def is_short(self) -> bool:
        return self.free < SHORT * self.limit


class Spare(Protocol):
    """What is kept in memory for the case that there is room."""

    @property
    def spare(self) -> Collection[str]: ...

    def drop_spare(self) -> bool:
        """Say whether there was something."""
        ...


class MemoryRoom:
    """Implements Room. `look` gives None where nothing limits the memory; then everything fits. Each of `processes` loads it."""

    def __init__(
        self,
        look: Callable[[], Memory | None],
        spare: Spare,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        machine: Callable[[], Memory | None] = lambda: None,
        processes: int = 1,
    ) -> None:
        """`machine` gives the memory of all that runs beside it."""
        self._look, self._spare, self._patience, self._machine = look, spare, patience_seconds, machine
        self._processes, self._eased_at = processes, 0.0
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

    def ease(self) -> None:
        """Give spare memory back where little is left. Called now and then; looks seldom."""
        now = time.monotonic()
        if not self._spare.spare or now < self._eased_at + EASE_SECONDS:
            return
        self._eased_at = now
        if any(memory is not None and memory.is_short for memory in (self._look(), self._machine())):
            self._spare.drop_spare()

    def _keep(self, count: int) -> None:
        """Gives spare memory back first. Waits for loads that are under way, and for memory that is about to be given back."""
        until = time.monotonic() + self._patience
        with self._changed:
            while (memory := self._look()) is not None and count > memory.free - self._kept:
                if self._spare.drop_spare():
                    continue
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
