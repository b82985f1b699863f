"""Whether every offset from 0 was read, once, and in order; and whether an event was sent more than once."""

from collections import Counter
from dataclasses import dataclass

from pushline.line.records import Record


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that gave no record: control records of a transaction, or records that are lost."""

    topic: str
    partition: int
    first: int
    last: int


class Offsets:
    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.disorder: list[str] = []
        self.ids: Counter[bytes] = Counter()
        self._next: dict[tuple[str, int], int] = {}

    def note(self, record: Record) -> None:
        place = (record.topic, record.partition)
        expected = self._next.get(place, 0)
        if record.offset > expected:
            self.gaps.append(Gap(*place, expected, record.offset - 1))
        elif record.offset < expected:
            self.disorder.append(f"{record.topic}/{record.partition}: offset {record.offset} was read after {expected - 1}")
        self._next[place] = max(expected, record.offset + 1)
        self.ids.update(data for name, data in record.headers if name == "ce_id" and data is not None)

    @property
    def repeated(self) -> int:
        """How many records repeat an id that was read before. Harmless: a slot takes the first."""
        return self.ids.total() - len(self.ids)

    @property
    def read(self) -> dict[str, dict[int, int]]:
        """Give the next offset, by topic and partition."""
        found: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in sorted(self._next.items()):
            found.setdefault(topic, {})[partition] = offset
        return found
