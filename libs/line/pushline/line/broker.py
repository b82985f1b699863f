"""The broker port: an append-only log of topics and partitions. kafka.py and memory.py implement it, under one suite.

A Log and its readers are each used by one thread at a time; the Log itself may be shared (`append` is thread-safe).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pushline.line.records import Message, Record

Place = tuple[str, int]  # topic (without prefix), partition


class LineError(Exception):
    """Root of the errors of this package."""


class BrokerUnavailable(LineError):
    """The broker cannot be reached or does not answer in time. Transient: wait and try again."""


class AppendUnknown(LineError):
    """No delivery report, or one that is an error: the record may be in the log, now or later. Read on and look."""


class LogTruncated(LineError):
    """A partition's first offset is above 0, a read place is gone, or the topic is another one than before: the fold is void.

    Facts: topic, partition, and what is wrong.
    """

    def __init__(self, topic: str, partition: int, problem: str) -> None:
        super().__init__(f"topic {topic} partition {partition}: {problem}")
        self.topic, self.partition, self.problem = topic, partition, problem


class MessageTooLarge(LineError):
    """A record is above 64 KiB with its headers. Nothing was sent."""


MAX_RECORD_BYTES = 64 * 1024


class Reader(Protocol):
    """Reads whole partitions from offset 0, in offset order within each; no group, no commits."""

    def poll(self, timeout_seconds: float) -> Sequence[Record]:
        """Give the next records, as many as are at hand; empty at the time-out.

        Raises BrokerUnavailable (call again later, nothing is skipped) and LogTruncated (make a new reader).
        """
        ...

    def position(self) -> dict[Place, int]:
        """Give the next offset that poll will return, of each partition read."""
        ...

    def end(self, timeout_seconds: float) -> dict[Place, int]:
        """Ask the broker for the end offsets (one past the last record) of each partition read. Raises BrokerUnavailable.

        Any thread may ask, while another one polls or closes.
        """
        ...

    def identity(self) -> Mapping[str, str]:
        """Say which topic each name stands for: another text once it was made anew. Empty where the broker knows no such thing."""
        ...

    def close(self) -> None: ...


class Ownership(Protocol):
    """Which partitions this replica of a stage works on: a consumer group that reads nothing.

    The group subscribes to the stage's input topic. The partition number is the same on every topic.
    """

    def poll(self) -> frozenset[int]:
        """Keep the membership alive and give the partitions owned now. Never blocks for long. Call at least once a second."""
        ...

    def commit(self, offsets: dict[int, int]) -> None:
        """Record the offset of the oldest record with open work, a partition; for lag metrics alone. Errors are dropped."""
        ...

    def close(self) -> None: ...


class Log(Protocol):
    """One cluster, seen through one topic prefix."""

    def append(self, message: Message, timeout_seconds: float = 10.0) -> Record:
        """Append and wait for the delivery report (acks=all, idempotent). Gives the record as it lies, with its offset.

        Thread-safe. Raises MessageTooLarge (nothing sent), AppendUnknown (it may be in the log, or come into it later) and
        BrokerUnavailable (certainly not sent).
        """
        ...

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> Reader:
        """Assign all partitions of these topics, from offset 0 or where `begin` says. Raises BrokerUnavailable, LogTruncated."""
        ...

    def ownership(self, group: str, topic: str) -> Ownership: ...

    def partitions(self) -> int:
        """Give the partition count, the same for every topic. Raises BrokerUnavailable, LineError where the topics differ."""
        ...

    def close(self) -> None: ...
