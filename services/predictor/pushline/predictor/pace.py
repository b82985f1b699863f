"""How long a model takes for a row, learnt from its answers: whoever must not wait asks first."""

GAIN = 0.2
MOST_FORMS = 256


class Pace:
    """Seconds a row, by the form of a request. Safe to use from many threads: each entry is one number."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[object, float] = {}

    def note(self, form: object, rows: int, seconds: float) -> None:
        """A run that took much longer than those before counts as twice as long: mostly something else had the processor."""
        took, known = seconds / rows, self._seconds.get(form)
        if known is None:
            if len(self._seconds) >= MOST_FORMS:
                self._seconds = {}
            self._seconds[form] = took
        else:
            self._seconds[form] = known + GAIN * (min(took, 2 * known) - known)

    def seconds_a_row(self, form: object) -> float | None:
        """None where such a request was never answered."""
        return self._seconds.get(form)
