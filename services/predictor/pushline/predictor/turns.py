"""Which loaded deployment of a process is served next, when loads and orders to swap come in any order. No thread, no file."""

import threading
from collections.abc import Callable

from pushline.predictor.serving import Loaded


class Turns:
    """A record is ordered to be loaded before it is ordered to be served; both orders come in the order of the log.

    Safe from any thread. `serve` and `drop` are called once for each that was loaded, one of them; they must not wait.
    """

    def __init__(self, serve: Callable[[Loaded], None], drop: Callable[[Loaded], None]) -> None:
        self._serve, self._drop = serve, drop
        self._newest: dict[str, str] = {}  # model → id of the newest record that is to be loaded
        self._loaded: dict[str, Loaded] = {}  # by model; its turn has not come
        self._due: dict[str, str] = {}  # model → id of the record whose turn has come, which is not loaded yet
        self._lock = threading.Lock()

    def expect(self, model: str, event_id: str) -> None:
        """It is being loaded."""
        with self._lock:
            self._newest[model] = event_id

    def loaded(self, loaded: Loaded) -> None:
        """It is served where its turn has come, else kept, unless a newer one is on its way."""
        model, event_id = loaded.identity.model, loaded.identity.event_id
        with self._lock:
            if self._due.get(model) == event_id:
                del self._due[model]
                self._serve(loaded)
            elif self._newest.get(model) == event_id:
                before = self._loaded.get(model)
                self._loaded[model] = loaded
                if before is not None:
                    self._drop(before)
            else:
                self._drop(loaded)

    def swap(self, model: str, event_id: str) -> None:
        """Its turn has come; what waited for a turn before it has missed that."""
        with self._lock:
            found = self._loaded.get(model)
            if found is not None and found.identity.event_id == event_id:
                del self._loaded[model]
                self._due.pop(model, None)
                self._serve(found)
            else:
                self._due[model] = event_id
