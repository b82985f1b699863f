"""Bytes that are no event of ours, copied once to `dlq.<topic>` by the stage whose input they are.

The copy has the record's key, value and headers as they were, and headers that say where it stood and what is wrong with it (names
after KIP-1317's draft). Its id comes from topic, partition and offset; the writer reads the dead-letter topic before it writes,
readers drop a repeated id.

More than so many in a row are not copied: the stage stops for that partition until a person accepts them (ledger/bad_rows.py). What
is not copied yet then is not kept in memory either, it is read once more from the log.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid5

from pushline.line.broker import MAX_RECORD_BYTES, LineError, Log, Place
from pushline.line.ids import NAMESPACE
from pushline.line.ledger import Judgement, Ledger, Stop
from pushline.line.letters import CUT_FROM, ERROR, FROM_OFFSET, FROM_PARTITION, FROM_TOPIC, ID_HEADER, letter_of
from pushline.line.records import Message, Record
from pushline.line.rereading import Rereading
from pushline.line.topics import Topic

MAX_ERROR_BYTES = 512
ROOM_FOR_HEADERS = 4096
MOST_IN_A_ROW = 100
MOST_IN_MEMORY = 1000
WRITE_SECONDS = 1.0  # then the stage's loop goes on, and the rest is written the next time


def letter_id(topic: str, partition: int, offset: int) -> str:
    return str(uuid5(NAMESPACE, f"dlq/{topic}/{partition}/{offset}"))


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """What is not copied yet, as plain data."""

    in_memory: tuple[tuple[Record, str], ...]  # undecodable records, and what is wrong with each
    held: tuple[tuple[str, int, int], ...]  # topic, partition, offset from which on they are to be read from the log
    newest: tuple[tuple[str, int, int], ...]  # offset of the last undecodable record of each partition


NO_OPEN_LETTERS = OpenLetters((), (), ())


class DeadLetters:
    """Collects what the fold could not decode on the topics given, and writes it. `note` may come from the tail's thread.

    `stops` are the partitions where the stage does nothing more until a person says so.
    """

    def __init__(self, log: Log, topics: Sequence[Topic], most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self.problem = ""
        self.stops: dict[Place, Stop] = {}
        self._log = log
        self._topics = {topic.name: topic for topic in topics}
        self._most_in_a_row = most_in_a_row
        self._open: dict[str, tuple[Record, str]] = {}
        self._written: set[str] = set()
        self._read: set[str] = set()  # dead-letter topics whose ids are known in this call
        self._held: dict[Place, int] = {}  # from this offset on nothing is in `_open`: it is read from the log when its time comes
        self._newest: dict[Place, int] = {}  # the last undecodable record noted
        self._rereading: Rereading | None = None

    def note(self, record: Record, judgements: tuple[Judgement, ...]) -> None:
        if not judgements or judgements[0].verdict != "undecodable" or record.topic not in self._topics:
            return
        place = (record.topic, record.partition)
        self._newest[place] = record.offset
        letter = letter_id(record.topic, record.partition, record.offset)
        if letter in self._written or record.offset >= self._held.get(place, record.offset + 1):
            return
        if judgements[0].in_a_row > self._most_in_a_row or len(self._open) >= MOST_IN_MEMORY:
            self._held[place] = record.offset
        else:
            self._open[letter] = (record, judgements[0].sentence)

    def look(self, ledger: Ledger) -> None:
        """See where the stage is stopped. Called under the tail's lock."""
        self.stops = {stop.place: stop for stop in ledger.bad_rows.stops(self._most_in_a_row, self._topics)}

    @property
    def open(self) -> OpenLetters:
        """What is not copied yet. Ask in the thread that calls `note`; what is copied meanwhile does no harm."""
        held = tuple((*place, offset) for place, offset in self._held.copy().items())
        newest = tuple((*place, offset) for place, offset in self._newest.items())
        return OpenLetters(tuple(self._open.copy().values()), held, newest)

    def begin(self, letters: OpenLetters) -> None:
        """Take up again what was open when a snapshot was made."""
        for record, error in letters.in_memory:
            self._open[letter_id(record.topic, record.partition, record.offset)] = (record, error)
        self._held.update({(topic, partition): offset for topic, partition, offset in letters.held})
        self._newest.update({(topic, partition): offset for topic, partition, offset in letters.newest})

    def write(self, owned: frozenset[int]) -> int:
        """Write what is open on the partitions owned, for a while; give how many. Trouble stays in `problem` until a later call
        succeeds.
        """
        written, until = 0, 0.0
        self._read.clear()  # another replica may have owned them meanwhile: look before writing
        place = ""
        try:
            for letter, record, error in self._due(owned):
                place = f"{record.topic}/{record.partition}/{record.offset}"
                written += self._write_one(letter, record, error)
                until = until or time.monotonic() + WRITE_SECONDS  # not before it was looked what is written
                if time.monotonic() >= until:
                    break
        except LineError as trouble:
            self._end_rereading()
            self.problem = f"dead letter of {place}: {trouble}" if place else f"dead letters: {trouble}"
            return written
        self.problem = ""
        return written

    def _due(self, owned: frozenset[int]) -> Iterable[tuple[str, Record, str]]:
        for letter, (record, error) in list(self._open.items()):
            if record.partition in owned:
                yield letter, record, error
        for place, offset in list(self._held.items()):
            if place[1] in owned and offset < self._bound(place):
                yield from self._once_more(place, offset)

    def _bound(self, place: Place) -> int:
        """Give the offset from which on nothing of a partition may be written."""
        stop = self.stops.get(place)
        return stop.offset if stop is not None else self._newest[place] + 1

    def _once_more(self, place: Place, offset: int) -> Iterable[tuple[str, Record, str]]:
        """Read a partition from the log as far as it may be written: a piece a call, from where the last one ended."""
        if self._rereading is None or self._rereading.place != place:
            self._end_rereading()
            self._rereading = Rereading(self._log, place)
        for record, error in self._rereading.undecodable():
            if record.offset >= self._bound(place):
                break
            if record.offset >= offset:
                yield letter_id(*place, record.offset), record, error
                self._held[place] = record.offset + 1
        bound = self._bound(place)
        if self._rereading.next_offset >= bound:
            self._end_rereading()
            self._read_up_to(place, bound)

    def _read_up_to(self, place: Place, bound: int) -> None:
        """What comes from now on is noted in memory again; unless a stop holds it, or something was held while this was read."""
        if place in self.stops:
            self._held[place] = bound
            return
        del self._held[place]
        if self._newest[place] >= bound:  # `note` sets it before it looks whether it is to hold the record
            self._held[place] = bound

    def _end_rereading(self) -> None:
        rereading, self._rereading = self._rereading, None
        if rereading is not None:
            rereading.close()

    def _write_one(self, letter: str, record: Record, error: str) -> int:
        topic = self._topics[record.topic]
        if topic.dead_letters not in self._read:
            self._written |= self._ids_of(topic)
            self._read.add(topic.dead_letters)
        fresh = letter not in self._written
        if fresh:
            self._log.append(_letter(letter, topic, record, error))
        self._written.add(letter)
        self._open.pop(letter, None)
        return int(fresh)

    def _ids_of(self, topic: Topic) -> set[str]:
        """Read the dead-letter topic to its end."""
        reader = self._log.reader((topic.dead_letters,))
        try:
            ends = reader.end(5.0)
            found: set[str] = set()
            while any(reader.position().get(place, 0) < end for place, end in ends.items()):
                found |= {letter.id for record in reader.poll(1.0) if (letter := letter_of(record)) is not None}
            return found
        finally:
            reader.close()


def _letter(letter: str, topic: Topic, record: Record, error: str) -> Message:
    """Give the copy. A value too large to copy with its headers is cut, and a header says so."""
    kept = [(name, data) for name, data in record.headers if data is not None]
    size = sum(len(name) + len(data) for name, data in kept)
    if size > MAX_RECORD_BYTES // 2:
        kept = []
    value, key = record.value or b"", record.key or b""
    room = MAX_RECORD_BYTES - ROOM_FOR_HEADERS - len(key) - sum(len(name) + len(data) for name, data in kept)
    told = [
        (ID_HEADER, letter.encode()),
        (FROM_TOPIC, record.topic.encode()),
        (FROM_PARTITION, str(record.partition).encode()),
        (FROM_OFFSET, str(record.offset).encode()),
        (ERROR, error.encode("utf-8", "replace")[:MAX_ERROR_BYTES]),
    ]
    if len(value) > room:
        told.append((CUT_FROM, str(len(value)).encode()))
    return Message(topic.dead_letters, key[: MAX_RECORD_BYTES // 4] or b"-", value[: max(room, 0)], (*kept, *told))
