"""Whether a process can do its work, part by part. A part is well until it says otherwise; /readyz shows the rest."""

import threading
from collections.abc import Callable, Iterable


class Health:
    """Thread-safe. `starting` names the parts that are not well before their first report."""

    def __init__(self, starting: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._reported = dict.fromkeys(starting, "starting")
        self._watched: dict[str, Callable[[], str]] = {}

    def report(self, part: str, problem: str) -> None:
        """Say how a part is: "" is well, else one sentence."""
        with self._lock:
            self._reported[part] = problem

    def watch(self, part: str, problem: Callable[[], str]) -> None:
        """Ask `problem` whenever somebody asks for health; it must not block."""
        with self._lock:
            self._watched[part] = problem

    @property
    def problems(self) -> dict[str, str]:
        """The parts that are not well, with their sentences."""
        with self._lock:
            found, watched = dict(self._reported), dict(self._watched)
        found |= {part: problem() for part, problem in watched.items()}
        return {part: problem for part, problem in sorted(found.items()) if problem}

    @property
    def ready(self) -> bool:
        return not self.problems
