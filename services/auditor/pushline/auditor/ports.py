"""What the auditor's doors need: the fold, and the history that was made with it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from pushline.line.ledger import Ledger


class Fold(Protocol):
    """`read` gives the ledger, and with it the history, under their common lock."""

    @property
    def problem(self) -> str:
        """Say why what is known may be old; empty when it is up to date."""
        ...

    def read(self) -> AbstractContextManager[Ledger]: ...


class Probes(Protocol):
    """What every process answers, whatever it does."""

    @property
    def problems(self) -> dict[str, str]: ...


Exposition = Callable[[str], tuple[bytes, str]]
"""Give metrics and their content type, for the Accept header of a request."""

Notes = Callable[[], dict[str, str]]
"""Give what people should know and what makes nobody unready."""
