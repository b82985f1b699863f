"""Every record of the line in the order in which it was read, and what became of it. Whoever looks holds the tail's lock.

Nothing here is the truth: it is made again from offset 0 at every start.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pushline.auditor.offsets import Offsets
from pushline.line.codec import Entry
from pushline.line.events import Event
from pushline.line.ledger import Judgement
from pushline.line.records import Record

KEEPS_TIME_FROM_MS = 1_500_000_000_000  # below it a broker's clock is a constant (the embedded one's)


@dataclass(slots=True)
class Seen:
    """One record. A kept one is judged again, so its verdict may change."""

    number: int  # in reading order, from 1
    record: Record
    read_at_ms: int
    verdict: str
    rule: str
    sentence: str
    entry: Entry[Event] | None

    @property
    def model(self) -> str:
        return self.entry.event.model if self.entry else ""

    @property
    def run_id(self) -> str:
        return self.entry.event.run_id if self.entry else ""

    @property
    def time_ms(self) -> int:
        """The broker's time of the record, or our own where the broker keeps none."""
        return self.record.timestamp_ms if self.record.timestamp_ms >= KEEPS_TIME_FROM_MS else self.read_at_ms


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; empty means all."""

    model: str = ""
    run: str = ""
    topic: str = ""
    verdict: str = ""

    def passes(self, seen: Seen) -> bool:
        wanted = ((self.model, seen.model), (self.run, seen.run_id), (self.topic, seen.record.topic), (self.verdict, seen.verdict))
        return all(not want or want == have for want, have in wanted)


class History:
    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.offsets = Offsets()
        self.counts: Counter[tuple[str, str]] = Counter()  # (topic, verdict), as judged by now
        self._now_ms = now_ms
        self._seen: list[Seen] = []
        self._by_place: dict[tuple[str, int, int], Seen] = {}
        self._by_run: defaultdict[str, list[Seen]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, record: Record, judgements: tuple[Judgement, ...]) -> None:
        """Take in a record with its own judgement and those of kept records that it released."""
        self.offsets.note(record)
        own, *released = judgements
        seen = Seen(len(self._seen) + 1, record, self._now_ms(), own.verdict, own.rule, own.sentence, own.entry)
        self._seen.append(seen)
        self._by_place[own.place] = seen
        self.counts[(record.topic, own.verdict)] += 1
        if own.entry is not None:
            self._by_run[seen.run_id].append(seen)
        for judgement in released:
            self._judge_again(judgement)

    def reset(self) -> None:
        """Forget everything: the log is read once more from offset 0."""
        self.offsets = Offsets()
        self.counts.clear()
        self._seen.clear()
        self._by_place.clear()
        self._by_run.clear()

    def at(self, topic: str, partition: int, offset: int) -> Seen | None:
        return self._by_place.get((topic, partition, offset))

    def of_run(self, run_id: str) -> tuple[Seen, ...]:
        return tuple(self._by_run.get(run_id, ()))

    def newest_first(self, wanted: Filter, before: int | None = None) -> Iterator[Seen]:
        """Give what passes, from the newest read back; only those with a number below `before`."""
        if wanted.run:
            found = [seen for seen in self.of_run(wanted.run) if before is None or seen.number < before]
        else:
            found = self._seen if before is None else self._seen[: max(before - 1, 0)]
        return (seen for seen in reversed(found) if wanted.passes(seen))

    def _judge_again(self, judgement: Judgement) -> None:
        seen = self._by_place.get(judgement.place)
        if seen is not None:
            self.counts[(seen.record.topic, seen.verdict)] -= 1
            self.counts[(seen.record.topic, judgement.verdict)] += 1
            seen.verdict, seen.rule, seen.sentence = judgement.verdict, judgement.rule, judgement.sentence
