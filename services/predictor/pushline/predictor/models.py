"""The models this replica serves, by name, and how sure it is of each."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from pushline.predictor.errors import NothingDeployed, UnknownModel
from pushline.predictor.serving import Loaded, Slot

SURE_FOR_SECONDS = 10.0  # a reload loop that stood still for so long is not believed any more


class Models:
    """`wanted` names the models to serve; empty: every model of the line. `let_go` is given what is used no more, off the request
    path.
    """

    def __init__(
        self,
        wanted: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
        let_go: Callable[[Loaded], None] = lambda loaded: loaded.engine.close(),
    ) -> None:
        self.wanted = wanted
        self._clock, self._let_go = clock, let_go
        self._slots: dict[str, Slot] = {}
        self._sure_until: dict[str, float] = {}
        self._log_was_read = False
        self._freed: SimpleQueue[Loaded] = SimpleQueue()
        self._lock = threading.Lock()
        for name in wanted:
            self.know(name)

    def serves(self, model: str) -> bool:
        return not self.wanted or model in self.wanted

    def know(self, model: str) -> None:
        """Note that the line has this model, deployed or not."""
        with self._lock:
            if model not in self._slots:
                self._slots = {**self._slots, model: Slot(self._freed.put)}

    def swap(self, loaded: Loaded) -> None:
        self.know(loaded.identity.model)
        self._slots[loaded.identity.model].swap(loaded)

    def current(self, model: str) -> Loaded | None:
        slot = self._slots.get(model)
        return slot.current if slot else None

    def knows(self, model: str) -> bool:
        return model in self._slots

    def names(self) -> list[str]:
        return sorted(self._slots)

    @property
    def ready(self) -> bool:
        """Every model asked for by name, else at least one, is loaded; and at least one can answer at this moment."""
        now = [slot.current for slot in self._slots.values()]
        enough = all(now) if self.wanted else any(now)
        return bool(now) and enough and any(loaded is not None and not loaded.engine.problem for loaded in now)

    def problem(self, model: str) -> str:
        """Say why a loaded model cannot answer at this moment; empty where it can, or is not loaded."""
        loaded = self.current(model)
        return loaded.engine.problem if loaded else ""

    def note_log_read(self) -> None:
        """From now on a model that is not known does not exist."""
        self._log_was_read = True

    def note_sure(self, model: str, sure: bool) -> None:
        self._sure_until[model] = self._clock() + SURE_FOR_SECONDS if sure else 0.0

    def is_stale(self, model: str) -> bool:
        return self._sure_until.get(model, 0.0) < self._clock()

    def free_retired(self) -> int:
        """Let go of what was swapped out and has answered its last request. Called off the request path."""
        count = 0
        with suppress(Empty):
            while True:
                self._let_go(self._freed.get_nowait())
                count += 1
        return count

    def close(self) -> None:
        for slot in self._slots.values():
            slot.swap(None)
        self.free_retired()

    def find(self, model: str) -> tuple[str, Slot]:
        """Give a model's name and where it is served; no name finds the only one. Raises UnknownModel, NothingDeployed."""
        slots = self._slots
        if model in slots:
            return model, slots[model]
        if not model and len(slots) == 1:
            return next(iter(slots.items()))
        if not slots or (not self.wanted and not self._log_was_read):
            raise NothingDeployed(model)
        raise UnknownModel(model)
