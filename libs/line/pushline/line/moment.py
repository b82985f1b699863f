"""A line as it was: the fold of everything up to a moment. A moment is a time, or a place in the log.

Up to a time: of each partition what lies in front of its first later record. The broker's time of appending rises within a
partition. Where a broker's clock went back, or it keeps its writers' times as the embedded one does, that need not be, and `odd`
says so. Up to a place: up to and with that record on its own partition, up to its time on all others. Nothing is decided by it:
what was is shown to people.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pushline.line.broker import BrokerUnavailable, Log, Place, Reader
from pushline.line.ledger import Ledger
from pushline.line.records import Record

POLL_SECONDS = 0.2
ANSWER_SECONDS = 5.0
LONG_AGO_MS = 1_500_000_000_000  # before there was any line: a broker that keeps no time has a constant here


@dataclass(frozen=True, slots=True)
class Spot:
    """One record's place."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Moment:
    at_ms: int
    spot: Spot | None = None

    def holds(self, record: Record) -> bool:
        spot = self.spot
        if spot is not None and (record.topic, record.partition) == (spot.topic, spot.partition):
            return record.offset <= spot.offset
        return record.timestamp_ms <= self.at_ms


class NoSuchRecord(Exception):
    """There is no record at that place; the message says what there is."""


class NoTime(Exception):
    """The broker keeps no time of its records, so that none of them is before a moment or after it."""


@dataclass(slots=True)
class Then:
    """What was known at a moment."""

    ledger: Ledger
    newest_ms: int = 0  # of what was folded
    odd: list[str] = field(default_factory=list)  # places at which time goes back
    _last_ms: dict[Place, int] = field(default_factory=dict)
    _over: set[Place] = field(default_factory=set)  # partitions whose first later record was read

    def take(self, record: Record, moment: Moment) -> None:
        place = (record.topic, record.partition)
        if record.timestamp_ms < self._last_ms.get(place, 0):
            self.odd.append(f"{record.topic}/{record.partition}@{record.offset}")
        self._last_ms[place] = record.timestamp_ms
        if place not in self._over and moment.holds(record):
            self.ledger.fold(record)
            self.newest_ms = max(self.newest_ms, record.timestamp_ms)
        else:
            self._over.add(place)


def fold_up_to(log: Log, topics: Sequence[str], moment: Moment, timeout_seconds: float) -> Then:
    """Raises NoTime, and what a broker raises: BrokerUnavailable, LogTruncated."""
    then = Then(Ledger(log.partitions()))
    for record in read_all(log, topics, timeout_seconds):
        if record.timestamp_ms < LONG_AGO_MS:
            raise NoTime(f"{record.topic}/{record.partition}@{record.offset}")
        then.take(record, moment)
    return then


def moment_of(log: Log, spot: Spot, timeout_seconds: float) -> Moment:
    """Give the moment at which a record was appended. Raises NoSuchRecord, and what a broker raises."""
    count = 0
    for record in read_all(log, (spot.topic,), timeout_seconds):
        if record.partition == spot.partition:
            count = record.offset + 1
            if record.offset == spot.offset:
                return Moment(record.timestamp_ms, spot)
    there = f"its last offset is {count - 1}" if count else "it has no record"
    raise NoSuchRecord(f"there is no record at {spot}: partition {spot.partition} of {spot.topic}: {there}")


def read_all(log: Log, topics: Sequence[str], timeout_seconds: float) -> Iterator[Record]:
    """Give every record that is in the log now, partition by partition in order. Raises what a broker raises."""
    reader = log.reader(topics)
    try:
        ends = reader.end(ANSWER_SECONDS)
        deadline = time.monotonic() + timeout_seconds
        while not _reached(reader, ends):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"the log could not be read within {timeout_seconds:g} s")
            yield from (record for record in reader.poll(POLL_SECONDS) if record.offset < ends[record.topic, record.partition])
    finally:
        reader.close()


def _reached(reader: Reader, ends: dict[Place, int]) -> bool:
    position = reader.position()
    return all(position.get(place, 0) >= end for place, end in ends.items())
