"""One partition of a topic, read from the log once more for what cannot be decoded, a piece at a time."""

from collections.abc import Iterator

from pushline.line.broker import Log, Place
from pushline.line.codec import NewerVersion, Undecodable, decode
from pushline.line.records import Record

POLL_SECONDS = 0.5


class Rereading:
    """Raises what a reader raises; then it is closed and another one begins anew."""

    def __init__(self, log: Log, place: Place) -> None:
        self.place = place
        self._reader = log.reader((place[0],))

    @property
    def next_offset(self) -> int:
        return self._reader.position().get(self.place, 0)

    def undecodable(self) -> Iterator[tuple[Record, str]]:
        """Read on for a moment; give each record that is no event, with what is wrong with it."""
        for record in self._reader.poll(POLL_SECONDS):
            if (record.topic, record.partition) == self.place and (error := _wrong(record)):
                yield record, error

    def close(self) -> None:
        self._reader.close()


def _wrong(record: Record) -> str:
    try:
        decode(record)
    except Undecodable as error:
        return str(error)
    except NewerVersion:
        return ""
    return ""
