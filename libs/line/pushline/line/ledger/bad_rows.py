"""Undecodable records in a row on one partition of a topic, counted alike by every reader.

A row ends at the next record that can be decoded. One that is longer than a stage allows stops that stage there. The good record
behind it does not let it go on, as a single one among thousands of bad ones would drain the topic; a person's mark does: records up
to its offset count no more. What is said of a row is a function of its ends and of that offset alone, so it is the same whichever
of the two topics is read first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pushline.line.broker import Place

SHORTEST_ROW = 10  # shorter ones stop nobody and are not kept


@dataclass(frozen=True, slots=True)
class Row:
    """Offsets of its first and its last record; `count` records in all."""

    first: int
    last: int
    count: int

    def above(self, accepted: int) -> int:
        """Give how many of them lie above an offset; where offsets are missing in between, at most."""
        return max(0, min(self.count, self.last - accepted))


@dataclass(frozen=True, slots=True)
class Stop:
    """A stage does nothing more for this partition, and copies no undecodable record of it from `offset` on."""

    topic: str
    partition: int
    offset: int  # of the first record beyond what is allowed
    count: int  # undecodable records in a row
    newest: int  # offset of the last undecodable one that was read

    @property
    def place(self) -> Place:
        return (self.topic, self.partition)

    def __str__(self) -> str:
        return (
            f"{self.topic}/{self.partition} is stopped at offset {self.offset}: {self.count} undecodable records in a row; mend "
            f"what writes them, then `pushline dlq accept --topic {self.topic} --partition {self.partition} --reason …`"
        )


Rows = tuple[tuple[str, int, Row], ...]  # topic, partition, row


@dataclass(frozen=True, slots=True)
class BadRowsImage:
    """Rows as plain data."""

    accepted: tuple[tuple[str, int, int], ...]  # topic, partition, offset
    open: Rows
    ended: Rows


class BadRows:
    """Part of the fold: changed by records alone."""

    def __init__(self) -> None:
        self.accepted: dict[Place, int] = {}  # the highest offset up to which a person was done with them
        self._open: dict[Place, Row] = {}  # rows that no decodable record has ended
        self._ended: dict[Place, list[Row]] = {}  # long ones, oldest first

    def image(self) -> BadRowsImage:
        ended = ((*place, row) for place, rows in self._ended.items() for row in rows)
        opened = ((*place, row) for place, row in self._open.items())
        return BadRowsImage(tuple((*place, offset) for place, offset in self.accepted.items()), tuple(opened), tuple(ended))

    @classmethod
    def of(cls, image: BadRowsImage) -> "BadRows":
        made = cls()
        made.accepted = {(topic, partition): offset for topic, partition, offset in image.accepted}
        made._open = {(topic, partition): row for topic, partition, row in image.open}
        for topic, partition, row in image.ended:
            made._ended.setdefault((topic, partition), []).append(row)
        return made

    def bad(self, place: Place, offset: int) -> int:
        """Count an undecodable record; give how many lie in its row so far, above what was accepted."""
        known = self._open.get(place)
        row = Row(offset, offset, 1) if known is None else replace(known, last=offset, count=known.count + 1)
        self._open[place] = row
        return row.above(self._accepted(place))

    def good(self, place: Place) -> None:
        row = self._open.pop(place, None)
        if row is not None and row.count >= SHORTEST_ROW and row.last > self._accepted(place):
            self._ended.setdefault(place, []).append(row)

    def accept(self, place: Place, offset: int) -> None:
        if offset <= self._accepted(place):
            return
        self.accepted[place] = offset
        self._ended[place] = [row for row in self._ended.get(place, []) if row.last > offset]

    def stops(self, most_in_a_row: int, topics: Iterable[str]) -> list[Stop]:
        """Give the places on these topics where more than so many lie in a row."""
        wanted = set(topics)
        places = sorted(place for place in {*self._open, *self._ended} if place[0] in wanted)
        return [stop for place in places if (stop := self._stop(place, most_in_a_row)) is not None]

    def newest(self, place: Place) -> int:
        """Give the offset of the last record of a row that is kept and not accepted; -1 where there is none."""
        rows = self._rows(place)
        return rows[-1].last if rows and rows[-1].last > self._accepted(place) else -1

    def longest(self, place: Place) -> int:
        """Give how many lie in the longest row, above what was accepted."""
        return max((row.above(self._accepted(place)) for row in self._rows(place)), default=0)

    def _stop(self, place: Place, most: int) -> Stop | None:
        accepted = self._accepted(place)
        too_long = [row for row in self._rows(place) if row.above(accepted) > most]
        if not too_long:
            return None
        first = max(too_long[0].first, accepted + 1)
        count = max(row.above(accepted) for row in too_long)
        return Stop(*place, offset=first + most, count=count, newest=self.newest(place))

    def _rows(self, place: Place) -> list[Row]:
        row = self._open.get(place)
        return [*self._ended.get(place, []), *([row] if row is not None else [])]

    def _accepted(self, place: Place) -> int:
        return self.accepted.get(place, -1)
