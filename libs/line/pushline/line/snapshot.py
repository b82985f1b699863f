"""A fold as bytes: what a ledger knew at a place in the log, so that a start reads only what came after.

The log stays the truth. A snapshot counts only for the code that made it, the topics that it was made of, and a log that still has
the last record folded of each partition, byte for byte (resume.py); else it is thrown away and the fold begins at 0.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

from msgspec import MsgspecError
from msgspec.msgpack import Decoder, Encoder

from pushline.line.codec import Entry, Undecodable, event_of
from pushline.line.deadletters import NO_OPEN_LETTERS, OpenLetters
from pushline.line.events import Event
from pushline.line.ledger import Image
from pushline.line.ledger.bad_rows import BadRowsImage
from pushline.line.records import Record

MAGIC = b"pushline-snapshot 1\n"
DECIDES = ("codec.py", "events.py", "ids.py", "topics.py", "records.py", "letters.py", "deadletters.py", "snapshot.py")
ENTRIES_A_PART = 500  # encoded at one time: a part holds Python's lock for some milliseconds
LEDGER = tuple(f"ledger/{name}.py" for name in ("bad_rows", "fold", "foresight", "prospects", "rules", "state"))
DIGEST_BYTES, SIZE_BYTES = 32, 4


class Unusable(Exception):
    """The snapshot counts for nothing; the message says why. That costs time only."""


@dataclass(frozen=True, slots=True)
class Folded:
    """How far one partition is folded, and the last record of it that was."""

    topic: str
    partition: int
    end: int  # the next offset to be folded
    last: int  # offset of the last record; -1: none
    witness: bytes  # its digest


@dataclass(frozen=True, slots=True)
class Snapshot:
    topics: tuple[str, ...]
    identity: dict[str, str]  # of the topics
    places: tuple[Folded, ...]
    image: Image
    open_letters: OpenLetters = NO_OPEN_LETTERS


@dataclass(frozen=True, slots=True)
class _Head:
    code: str
    parts: tuple[int, int]  # how many hold valid entries, how many kept ones
    topics: tuple[str, ...]
    identity: dict[str, str]
    places: tuple[Folded, ...]
    open_letters: OpenLetters
    partitions: int
    numbers: tuple[tuple[str, int, int, int], ...]
    parked: tuple[tuple[str, int, str], ...]
    counts: tuple[tuple[str, str, int], ...]
    broken_rules: tuple[tuple[str, str, int], ...]
    bad_rows: BadRowsImage

    @classmethod
    def of(cls, told: Snapshot, parts: tuple[int, int]) -> "_Head":
        image = told.image
        beside = (image.partitions, image.numbers, image.parked, image.counts, image.broken_rules, image.bad_rows)
        return cls(code_digest(), parts, told.topics, told.identity, told.places, told.open_letters, *beside)

    def snapshot(self, valid: tuple[Entry[Event], ...], kept: tuple[Entry[Event], ...]) -> Snapshot:
        image = Image(self.partitions, valid, kept, self.numbers, self.parked, self.counts, self.broken_rules, self.bad_rows)
        return Snapshot(self.topics, self.identity, self.places, image, self.open_letters)


def witness(record: Record) -> bytes:
    """Digest all of a record, its time too: a log that was written again has other times."""
    told = (record.offset, record.key, record.value, record.headers, record.timestamp_ms)
    return hashlib.sha256(_ENCODER.encode(told)).digest()


@cache
def code_digest() -> str:
    """Digest the source of everything that decides what a fold knows."""
    here = resources.files("pushline.line")
    sources = [here.joinpath(name).read_bytes() for name in (*DECIDES, *LEDGER)]
    return hashlib.sha256(b"\0".join([str(sys.version_info[:2]).encode(), *sources])).hexdigest()


def parts_of(snapshot: Snapshot) -> Iterator[bytes]:
    """Give the file's bytes part by part, so that nobody waits long for Python's lock."""
    parts = [_parts(snapshot.image.valid), _parts(snapshot.image.kept)]
    digest = hashlib.sha256()
    head = MAGIC + _framed(_ENCODER.encode(_Head.of(snapshot, (len(parts[0]), len(parts[1])))))
    rows = (_framed(_ENCODER.encode([_row(entry) for entry in part])) for part in (*parts[0], *parts[1]))
    for data in chain([head], rows):
        digest.update(data)
        yield data
    yield digest.digest()


def read(data: bytes) -> Snapshot:
    """Raises Unusable."""
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + DIGEST_BYTES:
        raise Unusable("it is no snapshot of this form")
    body = memoryview(data)[:-DIGEST_BYTES]
    if hashlib.sha256(body).digest() != data[-DIGEST_BYTES:]:
        raise Unusable("it is cut or corrupt")
    try:
        return _read(body[len(MAGIC) :])
    except (MsgspecError, Undecodable, ValueError, KeyError, RuntimeError) as error:
        raise Unusable(f"it cannot be read: {error!r}") from None


def _read(body: memoryview) -> Snapshot:
    frames = _frames(body)
    first = next(frames)
    if _CODE.decode(first).get("code") != code_digest():
        raise Unusable("other code made it")
    head = _HEAD.decode(first)
    valid, kept = (tuple(entry for _ in range(count) for entry in _entries(next(frames))) for count in head.parts)
    return head.snapshot(valid, kept)


def _parts(entries: Sequence[Entry[Event]]) -> list[Sequence[Entry[Event]]]:
    return [entries[at : at + ENTRIES_A_PART] for at in range(0, len(entries), ENTRIES_A_PART)]


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(SIZE_BYTES, "big") + data


def _frames(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + SIZE_BYTES], "big")
        yield body[at + SIZE_BYTES : at + SIZE_BYTES + size]
        at += SIZE_BYTES + size


def _row(entry: Entry[Event]) -> tuple[Any, ...]:
    """Give what the record said; the event is read out of its value again, which costs no more than to read it here."""
    at = (entry.topic, entry.partition, entry.offset, entry.timestamp_ms)
    return (*at, entry.id, entry.key, entry.subject, entry.source, entry.traceparent, entry.value)


def _entries(frame: memoryview) -> Iterator[Entry[Event]]:
    for topic, partition, offset, timestamp_ms, event_id, key, subject, source, traceparent, value in _ROWS.decode(frame):
        event = event_of(topic, value)
        yield Entry(event_id, event, topic, partition, offset, key, subject, source, value, timestamp_ms, traceparent)


_ENCODER = Encoder()
_CODE: Decoder[dict[str, Any]] = Decoder(dict[str, Any])
_HEAD = Decoder(_Head)
_ROWS = Decoder(list[tuple[str, int, int, int, str, bytes, str, str, str, bytes]])
