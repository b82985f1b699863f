"""What passes between a broker and everyone who reads or writes it: bytes with a place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A record on its way out. The topic is named without the prefix; the broker adds it and picks the partition."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes with key and headers, as MAX_RECORD_BYTES counts them."""
        return len(self.key) + len(self.value) + sum(len(name) + len(data) for name, data in self.headers)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in the log. The topic is named without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int  # the broker's LogAppendTime; informs, decides nothing
