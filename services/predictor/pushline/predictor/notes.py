"""Who counts what becomes of predictions; the core knows no more of it."""

from typing import Protocol


class Notes(Protocol):
    """Counts."""

    def note_not_finite(self, model: str, where: str) -> None:
        """`where` is "input" or "output"."""

    def note_batch(self, model: str, rows: int) -> None: ...


class NobodyCounts:
    """Implements Notes."""

    def note_not_finite(self, model: str, where: str) -> None: ...

    def note_batch(self, model: str, rows: int) -> None: ...
