"""Who hears what happens in a stage: for logs and metrics."""

from collections.abc import Sequence
from typing import Protocol

from pushline.line.events import Event
from pushline.line.ledger import Stop
from pushline.line.writer import Published


class StageReport(Protocol):
    """Hears what happens, for logs and metrics. Called from several threads."""

    def started(self, key: str) -> None: ...

    def ended(self, key: str) -> None: ...

    def waiting(self, key: str, problem: str) -> None: ...

    def defect(self, key: str, error: BaseException) -> None: ...

    def answered(self, key: str, event: Event, published: Published, seconds: float) -> None: ...

    def stopped(self, stops: Sequence[Stop]) -> None:
        """Hear where the stage is stopped by too many undecodable records, whenever that changes."""


class SilentReport:
    def started(self, key: str) -> None: ...

    def ended(self, key: str) -> None: ...

    def waiting(self, key: str, problem: str) -> None: ...

    def defect(self, key: str, error: BaseException) -> None: ...

    def answered(self, key: str, event: Event, published: Published, seconds: float) -> None: ...

    def stopped(self, stops: Sequence[Stop]) -> None: ...
