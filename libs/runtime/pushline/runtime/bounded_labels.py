"""Labels whose values others choose (models of the log, reasons in records): so many stay apart, further ones count together.

Each value of a label is a series that Prometheus keeps, so nobody but the operator may choose how many there are.
"""

import threading

MOST_MODELS = 1000
MOST_ROWS = 5000
OTHERS = "(others)"  # no model and no reason is called so


class Bounded:
    """Safe from many threads. First come, first kept."""

    def __init__(self, most: int = MOST_MODELS) -> None:
        self._most, self._known = most, set[str]()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        """Give the value, or OTHERS where there are too many."""
        return value if self.has_room(value) else OTHERS

    def has_room(self, value: str) -> bool:
        """Say whether it is shown apart. A gauge of one that is not is left out: a number for several would mean nothing."""
        if value in self._known:
            return True
        with self._lock:
            if len(self._known) < self._most:
                self._known.add(value)
            return value in self._known


class BoundedRows:
    """Likewise for several labels of one metric, whose values multiply: so many combinations stay apart."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._known = Bounded(most)

    def __call__(self, *values: str) -> tuple[str, ...]:
        return values if self._known.has_room("\0".join(values)) else (OTHERS,) * len(values)
