"""When a fold is kept as a snapshot, and what begins with one beside the ledger. The writing is done by a thread of its own."""

import threading
from collections.abc import Callable
from typing import Protocol

from pushline.line.deadletters import NO_OPEN_LETTERS, OpenLetters
from pushline.line.ledger import Ledger
from pushline.line.snapshot import Snapshot

FEWEST_RECORDS = 1000  # folded since the last one, and a tenth of all: so writing is a small part of folding
TENTH, HUNDREDTH = 10, 100
WRITE_SECONDS = 10.0

OnRestore = Callable[[Ledger, OpenLetters], None]


class Keeps(Protocol):
    def load(self) -> Snapshot | None: ...
    def save(self, snapshot: Snapshot) -> bool: ...
    def drop(self, why: str) -> None: ...


class Snapshots:
    """Made for one tail. `open_letters` gives what is not yet copied; `restored` hears what a fold begins with, in its lock."""

    def __init__(
        self, file: Keeps, open_letters: Callable[[], OpenLetters] = lambda: NO_OPEN_LETTERS, restored: OnRestore | None = None
    ) -> None:
        self.open_letters = open_letters
        self._file, self._restored = file, restored
        self._found: Snapshot | None = None
        self._asked = False
        self._writer: threading.Thread | None = None

    @classmethod
    def of(cls, file: Keeps | None, open_letters: Callable[[], OpenLetters], restored: OnRestore) -> "Snapshots | None":
        """None where there is no file to keep them in."""
        return cls(file, open_letters, restored) if file is not None else None

    def first(self) -> Snapshot | None:
        """Give the one to begin with, until it is taken or dropped. From then on a fold that begins again begins at 0."""
        if not self._asked:
            self._asked, self._found = True, self._file.load()
        return self._found

    def taken(self, ledger: Ledger) -> None:
        found, self._found = self._found, None
        if found is not None and self._restored is not None:
            self._restored(ledger, found.open_letters)

    def drop(self, why: str) -> None:
        self._found, self._asked = None, True
        self._file.drop(why)

    def due(self, since: int, records: int, *, stopping: bool = False) -> bool:
        if stopping:
            return since > records // HUNDREDTH
        writes = self._writer is not None and self._writer.is_alive()
        return not writes and since >= max(FEWEST_RECORDS, records // TENTH)

    def keep(self, snapshot: Snapshot) -> None:
        """Write it, beside the caller."""
        self._writer = threading.Thread(target=self._file.save, args=(snapshot,), name="snapshot", daemon=True)
        self._writer.start()

    def wait(self) -> None:
        """Return once what is being written is written, or took too long: then it is lost, which costs time only."""
        if self._writer is not None:
            self._writer.join(WRITE_SECONDS)
