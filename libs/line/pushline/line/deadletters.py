"""Bytes that are no event of ours, copied once to `dlq.<topic>` by the stage whose input they are.

The copy has the record's key, value and headers as they were, and headers that say where it stood and what is wrong with it (names
after KIP-1317's draft). Its id comes from topic, partition and offset; the writer reads the dead-letter topic before it writes,
readers drop a repeated id.
"""

from collections.abc import Sequence
from uuid import uuid5

from pushline.line.broker import MAX_RECORD_BYTES, LineError, Log
from pushline.line.ids import NAMESPACE
from pushline.line.ledger import Judgement
from pushline.line.letters import CUT_FROM, ERROR, FROM_OFFSET, FROM_PARTITION, FROM_TOPIC, ID_HEADER, letter_of
from pushline.line.records import Message, Record
from pushline.line.topics import Topic

MAX_ERROR_BYTES = 512
ROOM_FOR_HEADERS = 4096


def letter_id(topic: str, partition: int, offset: int) -> str:
    return str(uuid5(NAMESPACE, f"dlq/{topic}/{partition}/{offset}"))


class DeadLetters:
    """Collects what the fold could not decode on the topics given, and writes it. `note` may come from the tail's thread."""

    def __init__(self, log: Log, topics: Sequence[Topic]) -> None:
        self.problem = ""
        self._log = log
        self._topics = {topic.name: topic for topic in topics}
        self._open: dict[str, tuple[Record, str]] = {}
        self._written: set[str] = set()
        self._read: set[str] = set()  # dead-letter topics whose ids are known in this call

    def note(self, record: Record, judgements: tuple[Judgement, ...]) -> None:
        if judgements and judgements[0].verdict == "undecodable" and record.topic in self._topics:
            letter = letter_id(record.topic, record.partition, record.offset)
            if letter not in self._written:
                self._open[letter] = (record, judgements[0].sentence)

    @property
    def open(self) -> tuple[tuple[Record, str], ...]:
        """What is not copied yet, each with what is wrong with it. Any thread may ask."""
        return tuple(self._open.copy().values())

    def begin(self, letters: tuple[tuple[Record, str], ...]) -> None:
        """Take up again what was open when a snapshot was made. What was copied since is found so before it is written."""
        for record, error in letters:
            self._open[letter_id(record.topic, record.partition, record.offset)] = (record, error)

    def write(self, owned: frozenset[int]) -> int:
        """Write what is open on the partitions owned; give how many. Trouble stays in `problem` until a later call succeeds."""
        written = 0
        self._read.clear()  # another replica may have owned them meanwhile: look before writing
        for letter, (record, error) in list(self._open.items()):
            if record.partition not in owned:
                continue
            try:
                written += self._write_one(letter, record, error)
            except LineError as trouble:
                self.problem = f"dead letter of {record.topic}/{record.partition}/{record.offset}: {trouble}"
                return written
        self.problem = ""
        return written

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
