"""The broker in memory: offsets, partitions, groups, and failures that can be set. For tests and single-process lines.

It keeps the same promises as kafka.py, under the same suite. What a broker can do to its clients is set by methods here: be away,
lose or hold an append, forget the first records, be another topic than before.
"""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition
from typing import NoReturn

from pushline.line.broker import MAX_RECORD_BYTES, AppendUnknown, BrokerUnavailable, LogTruncated, MessageTooLarge, Place
from pushline.line.ids import partition_of
from pushline.line.records import Message, Record

MAX_RECORDS_A_POLL = 500
Headers = tuple[tuple[str, bytes | None], ...]


class Fate(Enum):
    """What becomes of an append whose delivery report never comes."""

    WRITTEN = "written at once"
    HELD = "written at release()"
    LOST = "never written"


class MemoryLog:
    """Implements Log. Any number of threads, readers and group members share one."""

    def __init__(self, partitions: int = 4, clock: Callable[[], float] = time.time) -> None:
        self._cluster = _Cluster(partitions, clock)
        self._groups: dict[tuple[str, str], list[MemoryOwnership]] = {}
        self._fates: deque[Fate] = deque()
        self._held: list[Message] = []

    def append(self, message: Message, timeout_seconds: float = 10.0) -> Record:  # noqa: ARG002 - a set failure does not wait
        if message.size > MAX_RECORD_BYTES:
            raise MessageTooLarge(f"a {message.topic} record has {message.size} bytes; the limit is {MAX_RECORD_BYTES}")
        with self._cluster.changed:
            self._cluster.check_here()
            if self._fates:
                self._fail(message, self._fates.popleft())
            return self._cluster.write(message)

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> "MemoryReader":
        with self._cluster.changed:
            self._cluster.check_here()
            return MemoryReader(self._cluster, topics, begin)

    def ownership(self, group: str, topic: str) -> "MemoryOwnership":
        with self._cluster.changed:
            return MemoryOwnership(self._cluster, self._groups.setdefault((group, topic), []))

    def partitions(self) -> int:
        with self._cluster.changed:
            self._cluster.check_here()
            return self._cluster.partitions

    def close(self) -> None:
        """Nothing to release: other users of the same log go on."""

    def set_unavailable(self, away: bool) -> None:
        """Be away, or back: every call raises BrokerUnavailable meanwhile."""
        with self._cluster.changed:
            self._cluster.away = away
            self._cluster.changed.notify_all()

    def fail_next(self, *fates: Fate) -> None:
        """Let the following appends raise AppendUnknown, one each."""
        with self._cluster.changed:
            self._fates.extend(fates)

    def release(self) -> tuple[Record, ...]:
        """Write what was held, in the order in which it came."""
        with self._cluster.changed:
            held, self._held = self._held, []
            return tuple(self._cluster.write(message) for message in held)

    def truncate(self, topic: str, partition: int, first_offset: int) -> None:
        """Forget the records in front of an offset, as retention does."""
        with self._cluster.changed:
            self._cluster.topic(topic)[partition].truncate(first_offset)
            self._cluster.changed.notify_all()

    def recreate(self, topic: str) -> None:
        """Delete a topic and make it again, empty."""
        with self._cluster.changed:
            self._cluster.topics.pop(topic, None)
            self._cluster.made[topic] += 1
            self._cluster.topic(topic)
            self._cluster.changed.notify_all()

    def skip_offset(self, topic: str, partition: int) -> None:
        """Use up one offset without a record, as a transaction's control record does."""
        with self._cluster.changed:
            self._cluster.topic(topic)[partition].end += 1
            self._cluster.changed.notify_all()

    def inject(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Record:
        """Append anything anywhere: what a foreign producer can do."""
        with self._cluster.changed:
            return self._cluster.put(topic, partition, key, value, headers)

    def records(self, topic: str) -> tuple[Record, ...]:
        """Give all records of a topic, partition by partition."""
        with self._cluster.changed:
            return tuple(record for partition in self._cluster.topic(topic) for record in partition.records)

    def _fail(self, message: Message, fate: Fate) -> NoReturn:
        if fate is Fate.WRITTEN:
            self._cluster.write(message)
        elif fate is Fate.HELD:
            self._held.append(message)
        raise AppendUnknown(f"no delivery report for a {message.topic} record")


class MemoryReader:
    """Implements Reader; made by MemoryLog.reader."""

    def __init__(self, cluster: "_Cluster", topics: Sequence[str], begin: Mapping[Place, int]) -> None:
        self._cluster = cluster
        self._topics = {name: cluster.topic(name) for name in topics}
        self._next: dict[Place, int] = {
            place: begin.get(place, 0) for name in topics for place in ((name, number) for number in range(cluster.partitions))
        }
        self._check()

    def poll(self, timeout_seconds: float) -> Sequence[Record]:
        with self._cluster.changed:
            self._cluster.changed.wait_for(self._something_to_say, timeout_seconds)
            self._cluster.check_here()
            self._check()
            return self._take()

    def position(self) -> dict[Place, int]:
        return dict(self._next)

    def end(self, timeout_seconds: float) -> dict[Place, int]:  # noqa: ARG002 - memory answers at once
        with self._cluster.changed:
            self._cluster.check_here()
            return {place: self._partition(place).end for place in self._next}

    def identity(self) -> Mapping[str, str]:
        return {name: str(self._cluster.made[name]) for name in self._topics}

    def close(self) -> None:
        """Nothing to release."""

    def _something_to_say(self) -> bool:
        return self._cluster.away or any(
            self._odd(place) or offset < self._partition(place).end for place, offset in self._next.items()
        )

    def _check(self) -> None:
        for topic, number in self._next:
            if problem := self._odd((topic, number)):
                raise LogTruncated(topic, number, problem)

    def _odd(self, place: Place) -> str:
        if self._cluster.topic(place[0]) is not self._topics[place[0]]:
            return "the topic is another one than before"
        first, end, at = self._partition(place).first, self._partition(place).end, self._next[place]
        if first:
            return f"the first offset is {first}, not 0"
        return f"the end is {end}, behind the place read, {at}" if end < at else ""

    def _take(self) -> list[Record]:
        taken: list[Record] = []
        for place in self._next:
            records = self._partition(place).since(self._next[place], MAX_RECORDS_A_POLL - len(taken))
            taken.extend(records)
            if len(taken) == MAX_RECORDS_A_POLL:
                self._next[place] = taken[-1].offset + 1
                break
            self._next[place] = self._partition(place).end
        return taken

    def _partition(self, place: Place) -> "_Partition":
        return self._topics[place[0]][place[1]]


class MemoryOwnership:
    """Implements Ownership; made by MemoryLog.ownership.

    Cooperative: a partition comes to its next owner only once the last one has polled and let it go, or was expelled.
    """

    def __init__(self, cluster: "_Cluster", members: "list[MemoryOwnership]") -> None:
        self._cluster = cluster
        self._members = members
        self.owned: frozenset[int] = frozenset()
        self.committed: dict[int, int] = {}
        members.append(self)

    def poll(self) -> frozenset[int]:
        with self._cluster.changed:
            if not self._cluster.away and self in self._members:
                taken = frozenset[int]().union(*(other.owned for other in self._members if other is not self))
                self.owned = self._share() - taken
            return self.owned

    def commit(self, offsets: dict[int, int]) -> None:
        with self._cluster.changed:
            if not self._cluster.away:
                self.committed |= offsets

    def close(self) -> None:
        self.expel()

    def expel(self) -> None:
        """Take the member out of its group, as a session time-out does."""
        with self._cluster.changed:
            if self in self._members:
                self._members.remove(self)
            self.owned = frozenset()

    def _share(self) -> frozenset[int]:
        return frozenset(range(self._members.index(self), self._cluster.partitions, len(self._members)))


@dataclass
class _Partition:
    first: int = 0
    end: int = 0
    records: list[Record] = field(default_factory=list)

    def since(self, offset: int, limit: int) -> list[Record]:
        index = bisect_left(self.records, offset, key=lambda record: record.offset)
        return self.records[index : index + limit]

    def truncate(self, first_offset: int) -> None:
        self.first, self.end = first_offset, max(self.end, first_offset)
        self.records = self.since(first_offset, len(self.records))


class _Cluster:
    """What all users of one log share. Every call is made under `changed`."""

    def __init__(self, partitions: int, clock: Callable[[], float]) -> None:
        self.partitions = partitions
        self.changed = Condition()
        self.topics: dict[str, list[_Partition]] = {}
        self.made: Counter[str] = Counter()  # how often a topic was made anew
        self.away = False
        self._clock = clock

    def check_here(self) -> None:
        if self.away:
            raise BrokerUnavailable("the broker is away")

    def topic(self, name: str) -> list[_Partition]:
        return self.topics.setdefault(name, [_Partition() for _ in range(self.partitions)])

    def write(self, message: Message) -> Record:
        return self.put(message.topic, partition_of(message.key, self.partitions), message.key, message.value, message.headers)

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> Record:
        log = self.topic(topic)[partition]
        record = Record(topic, partition, log.end, key, value, headers, int(self._clock() * 1000))
        log.records.append(record)
        log.end += 1
        self.changed.notify_all()
        return record
