"""What can be seen of a line from outside: its records, its state as a digest, its objects; and the lines that campaigns print."""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from pushline.line.codec import decode
from pushline.line.events import Event
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.records import Message, Record
from pushline.line.topics import TOPICS
from pushline.objects.store import Store

READ_SECONDS = 20
NAMES = tuple(topic.name for topic in TOPICS)


def report(campaign: str, trials: int, lost: int, seed: int, **figures: float | str) -> str:
    """Give the line of a campaign. With none lost in n trials the rate is below 3/n with 95 % confidence."""
    more = "".join(f" {name}={value}" for name, value in figures.items())
    return f"campaign={campaign} trials={trials} lost={lost}{more} bound95={3 / trials if trials else inf:.2g} seed={seed}"


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret


def at(ordered: Sequence[float], share: float) -> float:
    """Give the value below which this share of them lies; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def all_records(log: KafkaLog, topics: Sequence[str] = NAMES) -> list[Record]:
    """Read every topic from 0 to where it ends now. Fails where an offset is missing."""
    reader = log.reader(topics)
    try:
        ends, found = reader.end(READ_SECONDS), list[Record]()
        while any(reader.position().get(place, 0) < end for place, end in ends.items()):
            found += reader.poll(1.0)
    finally:
        reader.close()
    for place, end in ends.items():
        offsets = [record.offset for record in found if (record.topic, record.partition) == place]
        assert offsets[:end] == list(range(end)), f"{place}: offsets {offsets}, the end is {end}"
    return found


def copy_of(record: Record) -> Message:
    headers = tuple((name, data) for name, data in record.headers if data is not None)
    return Message(record.topic, record.key or b"", record.value or b"", headers)


def events_of(records: Sequence[Record], run_id: str) -> Counter[str]:
    """Count a run's records by topic (deployed ones by kind)."""
    events = [decode(record).event for record in records]
    return Counter(_kind(event) for event in events if event.run_id == run_id)


def _kind(event: Event) -> str:
    return str(getattr(event, "kind", "") or type(event).__name__)


def folded(records: Sequence[Record], partitions: int) -> Ledger:
    ledger = Ledger(partitions)
    for record in records:
        ledger.fold(record)
    return ledger


def interleaved(records: Sequence[Record], chance: random.Random) -> list[Record]:
    """Give one order in which a reader may see them: each partition's own order kept, all else at random."""
    places: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        places.setdefault((record.topic, record.partition), []).append(record)
    turns = [place for place, own in places.items() for _ in own]
    chance.shuffle(turns)
    nexts = {place: iter(own) for place, own in places.items()}
    return [next(nexts[place]) for place in turns]


def digest(ledger: Ledger) -> str:
    """Digest everything that a decision may hang on."""
    told = [_told(ledger.models[name]) for name in sorted(ledger.models)]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _told(line: ModelLine) -> tuple[object, ...]:
    runs = [
        (run.run_id, run.rank, run.stage, run.outcome, run.reason, run.sentence, run.trained and run.trained.id, _verdicts(run))
        for run in line.runs
    ]
    served = sorted((replica, entry.id) for replica, entry in line.served.items())
    live = (line.live, line.live_digest, line.deploy_seq, line.fence, line.on_hold, sorted(line.barred), line.went_live)
    numbers = (line.newest_generation, line.highest_generation, line.highest_deploy_seq, sorted(line.attempts.items()))
    deployments = [entry.id for entry in line.deployments]
    return (line.name, line.partition, runs, deployments, live, numbers, served)


def _verdicts(run: Run) -> list[tuple[str, str]]:
    return sorted((baseline, entry.id) for baseline, entry in run.evaluated.items())


@dataclass(frozen=True)
class Objects:
    """The keys under these models' prefixes, each with the digest of what lies there."""

    store: Store

    def of(self, models: Sequence[str]) -> dict[str, str]:
        prefixes = [f"{kind}/{model}/" for kind in ("models", "runs", "datasets") for model in models]
        keys = [key for prefix in prefixes for key in self.store.list(prefix)]
        return {key: hashlib.sha256(self.store.read_bytes(key, 1 << 26)).hexdigest() for key in keys}
