"""Begin with a snapshot: is this still the log that it was made of? The last record of each partition is read back to see."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pushline.line.broker import Place, Reader
from pushline.line.deadletters import OpenLetters
from pushline.line.ledger import Image
from pushline.line.records import Record
from pushline.line.snapshot import Folded, Snapshot, Unusable, witness

ASK_SECONDS, READ_BACK_SECONDS = 5.0, 10.0


def snapshot_of(
    topics: tuple[str, ...],
    identity: Mapping[str, str],
    folded: Mapping[Place, int],
    last: Mapping[Place, Record],
    image: Image,
    letters: OpenLetters,
) -> Snapshot:
    """Put together what a fold is by now: how far each partition is folded, and its last record."""
    none = Record("", 0, -1, None, None, (), 0)
    ends = [(place, end, last.get(place, none)) for place, end in folded.items()]
    places = tuple(Folded(*place, end, record.offset, witness(record)) for place, end, record in ends)
    return Snapshot(topics, dict(identity), places, image, letters)


@dataclass(frozen=True, slots=True)
class ReadBack:
    last: dict[Place, Record]  # the last one folded, of each partition
    beyond: list[Record]  # what came after them while they were read


def begin_of(snapshot: Snapshot) -> dict[Place, int]:
    """Give where to read from: the last record folded itself, so that it is read back."""
    return {(at.topic, at.partition): at.last for at in snapshot.places if at.last >= 0}


def read_back(snapshot: Snapshot, reader: Reader, partitions: int, stop: threading.Event) -> ReadBack:
    """Raises Unusable where the log is another one, or went on otherwise; BrokerUnavailable, LogTruncated."""
    wanted = {(at.topic, at.partition): at for at in snapshot.places if at.last >= 0}
    places = {(at.topic, at.partition) for at in snapshot.places}
    if snapshot.image.partitions != partitions or places != set(reader.position()):
        raise Unusable("it was made of other topics or partitions")
    if snapshot.identity != dict(reader.identity()):
        raise Unusable("a topic is another one than before")
    ends = reader.end(ASK_SECONDS)
    short = [place for place, at in wanted.items() if ends[place] <= at.last]
    if short:
        raise Unusable(f"topic {short[0][0]} partition {short[0][1]} ends at {ends[short[0]]}, in front of what was folded")
    return _read(wanted, reader, stop)


def _read(wanted: Mapping[Place, Folded], reader: Reader, stop: threading.Event) -> ReadBack:
    found = ReadBack({}, [])
    deadline = time.monotonic() + READ_BACK_SECONDS
    while len(found.last) < len(wanted):
        for record in reader.poll(0.1):
            place = (record.topic, record.partition)
            if place not in wanted or place in found.last:
                found.beyond.append(record)
            elif witness(record) == wanted[place].witness:
                found.last[place] = record
            else:
                raise Unusable(f"topic {record.topic} partition {record.partition} has another record at {record.offset}")
        if stop.is_set() or time.monotonic() > deadline:
            raise Unusable("the last records could not be read back")
    return found
