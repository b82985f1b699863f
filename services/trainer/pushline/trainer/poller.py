"""Looks at every model at the start and every `reconcile_interval`: a push is found even if its webhook never arrives."""

import threading
from collections.abc import Callable

from pushline.line.patience import LOOK
from pushline.runtime.health import Health
from pushline.trainer.look import LookFailed, Seen

FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = LOOK.first_seconds, LOOK.longest_seconds


class Poller:
    """One thread a model, so that a forge that hangs holds up nobody else. start(), stop()."""

    def __init__(self, model: str, interval_seconds: float, look: Callable[[], Seen], health: Health) -> None:
        self._model, self._interval_seconds, self._look, self._health = model, interval_seconds, look, health
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poller-{model}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._stop.is_set():
            well = self._try()
            self._stop.wait(self._interval_seconds if well else min(back_off, self._interval_seconds))
            back_off = FIRST_BACK_OFF_SECONDS if well else min(back_off * 2, LONGEST_BACK_OFF_SECONDS)

    def _try(self) -> bool:
        try:
            self._look()
        except LookFailed as error:
            self._health.report(f"look {self._model}", str(error))
            return False
        self._health.report(f"look {self._model}", "")
        return True
