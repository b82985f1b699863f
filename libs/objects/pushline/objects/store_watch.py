"""Asks the store now and then whether it lets this service work, so that a wrong key is told before there is work for it."""

import threading
from collections.abc import Callable

from pushline.objects.local import CHECK_KEY
from pushline.objects.store import Store, StoreError

WELL_SECONDS, TROUBLE_SECONDS = 8.0, 1.0  # between two questions
STARTING = "starting"


class StoreWatch:
    """start(), stop(). `problem` is empty while the store answers. `writes`: this service puts objects, so that is tried too.

    A write is tried at the start and after trouble alone: a store that fills up is told by the work that meets it.
    """

    def __init__(self, store: Store, *, writes: bool, tell: Callable[[str], None] = lambda _: None) -> None:
        self.problem = STARTING
        self._store, self._writes, self._tell = store, writes, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for nothing: an answer that is still to come changes nothing any more."""
        self._stop.set()

    def look(self) -> None:
        """Ask once."""
        problem = self._ask()
        if problem and problem != self.problem:
            self._tell(problem)
        self.problem = problem

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(TROUBLE_SECONDS if self.problem else WELL_SECONDS)

    def _ask(self) -> str:
        try:
            if self.problem and self._writes:
                self._store.check()
            else:
                any(self._store.list(CHECK_KEY))
        except StoreError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a defect is told and asked again: a watch that ended would look well
            return f"defect: {error!r}"
        return ""
