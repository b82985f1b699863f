"""Dead letters as a person deals with them: read, put back where they came from, marked as done with; a stop accepted.

A record cannot be taken out of a log. Who is done with a letter appends a mark to the same dead-letter topic: a record with the
letter's key and the header `pushline-dropped` or `pushline-replayed` that holds its id, who and why in the value. A mark has no
letter's id of its own, so writers and readers of letters pass over it. A mark with the header `pushline-accepted` is about no
letter: it names a partition and an offset up to which undecodable records in a row stop nobody any more.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pushline.line.broker import BrokerUnavailable, Log, Place
from pushline.line.records import Message, Record
from pushline.line.topics import BY_NAME, DEAD_LETTER_TOPICS, TOPICS

ID_HEADER = "pushline-dlq-id"
FROM_TOPIC, FROM_PARTITION, FROM_OFFSET = "_dlq.errors.topic", "_dlq.errors.partition", "_dlq.errors.offset"
ERROR, CUT_FROM = "_dlq.errors.message", "_dlq.errors.cut_from_bytes"
DROPPED, REPLAYED, ACCEPTED = "pushline-dropped", "pushline-replayed", "pushline-accepted"
END_SECONDS, READ_SECONDS = 5.0, 60.0

Header = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody was done with a letter."""

    kind: str  # dropped | replayed
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A copy of bytes that were no event, and where they stood."""

    id: str
    place: tuple[str, int, int]  # of the copy
    origin: tuple[str, int, int]  # of what it is a copy of
    timestamp_ms: int
    error: str
    key: bytes
    value: bytes
    headers: tuple[Header, ...]  # of the original
    size: int  # of the original's value
    marks: tuple[Mark, ...] = ()

    @property
    def whole(self) -> bool:
        return len(self.value) == self.size

    @property
    def original(self) -> Message:
        """Give the same bytes, key and headers for the topic that they came from."""
        return Message(self.origin[0], self.key, self.value, tuple((name, data) for name, data in self.headers if data is not None))


@dataclass(frozen=True, slots=True)
class Accepted:
    """Somebody is done with the undecodable records of a partition, up to an offset."""

    place: Place
    offset: int
    actor: str
    reason: str


def read_letters(log: Log, wanted: Callable[[Letter], bool]) -> list[Letter]:
    """Give every letter of the line, oldest first in each partition, with its marks; the value only of those that are wanted.

    A letter that stands there twice is given once. Raises BrokerUnavailable, LogTruncated.
    """
    found: dict[str, Letter] = {}
    marks: dict[str, list[Mark]] = {}
    for record in _all_of(log, [topic.dead_letters for topic in TOPICS]):
        letter = letter_of(record)
        if letter is not None:
            found.setdefault(letter.id, letter if wanted(letter) else replace(letter, value=b""))
        elif (marked := mark_of(record)) is not None:
            marks.setdefault(marked[0], []).append(marked[1])
    return [replace(letter, marks=tuple(marks.get(letter.id, ()))) for letter in found.values()]


def letter_of(record: Record) -> Letter | None:
    """Give the letter that a record of a dead-letter topic is, None where it is something else.

    What is said of a letter stands behind the original's own headers, which may have any name.
    """
    begin = max((index for index, (name, _) in enumerate(record.headers) if name == ID_HEADER), default=-1)
    if begin < 0:
        return None
    told = {name: (data or b"").decode("utf-8", "replace") for name, data in record.headers[begin:]}
    value = record.value or b""
    topic = told.get(FROM_TOPIC, "")
    if topic not in BY_NAME or BY_NAME[topic].dead_letters != record.topic:
        return None
    return Letter(
        id=told[ID_HEADER],
        place=(record.topic, record.partition, record.offset),
        origin=(topic, _number(told.get(FROM_PARTITION)), _number(told.get(FROM_OFFSET))),
        timestamp_ms=record.timestamp_ms,
        error=told.get(ERROR, ""),
        key=record.key or b"",
        value=value,
        headers=record.headers[:begin],
        size=max(_number(told.get(CUT_FROM)), len(value)),
    )


def mark(letter: Letter, kind: str, actor: str, reason: str) -> Message:
    """Give the record that says somebody is done with a letter: `kind` is DROPPED or REPLAYED."""
    value = json.dumps({"actor": actor, "reason": reason}, sort_keys=True, ensure_ascii=False).encode()
    return Message(letter.place[0], letter.key or b"-", value, ((kind, letter.id.encode()),))


def mark_of(record: Record) -> tuple[str, Mark] | None:
    """Give the id of the letter that a mark is about, and the mark; None where the record is something else."""
    headers = dict(record.headers)
    for kind in (DROPPED, REPLAYED):
        if letter := headers.get(kind):
            actor, reason = _told(record.value or b"")
            return letter.decode("ascii", "replace"), Mark(kind.removeprefix("pushline-"), actor, reason)
    return None


def accept(accepted: Accepted) -> Message:
    """Give the record by which a stopped stage goes on."""
    topic, partition = accepted.place
    value = json.dumps({"actor": accepted.actor, "reason": accepted.reason}, sort_keys=True, ensure_ascii=False).encode()
    return Message(BY_NAME[topic].dead_letters, b"-", value, ((ACCEPTED, f"{partition}/{accepted.offset}".encode()),))


def accepted_of(record: Record) -> Accepted | None:
    """Give what a person accepted, None where the record is something else: the headers of a letter are a stranger's."""
    headers = dict(record.headers)
    told = headers.get(ACCEPTED)
    if not told or ID_HEADER in headers or record.topic not in DEAD_LETTER_TOPICS:
        return None
    fitting = _ACCEPTED.fullmatch(told)
    if fitting is None:
        return None
    actor, reason = _told(record.value or b"")
    return Accepted((DEAD_LETTER_TOPICS[record.topic], int(fitting[1])), int(fitting[2]), actor, reason)


def read_accepted(log: Log, topics: Sequence[str]) -> list[Accepted]:
    """Give what was accepted on these topics. Raises BrokerUnavailable, LogTruncated."""
    records = _all_of(log, [BY_NAME[name].dead_letters for name in topics])
    return [accepted for record in records if (accepted := accepted_of(record)) is not None]


_ACCEPTED = re.compile(rb"([0-9]{1,9})/([0-9]{1,18})")


def _told(value: bytes) -> tuple[str, str]:
    try:
        data = json.loads(value)
        return str(data["actor"]), str(data["reason"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else 0  # noqa: PLR2004 - 64 bits


def _all_of(log: Log, topics: Sequence[str]) -> Iterator[Record]:
    """Read topics up to the end that they have now."""
    reader = log.reader(topics)
    try:
        ends = reader.end(END_SECONDS)
        quiet = 0.0
        while any(reader.position().get(place, 0) < end for place, end in ends.items()):
            records = reader.poll(1.0)
            quiet = 0.0 if records else quiet + 1.0
            if quiet > READ_SECONDS:
                raise BrokerUnavailable(f"the dead letters could not be read to their end in {READ_SECONDS:g} s")
            yield from records
    finally:
        reader.close()
