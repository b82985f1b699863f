"""A line in a few lists: the log as it lies, and readers that fold it with lag."""

from collections.abc import Sequence
from dataclasses import replace

from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ids import partition_of
from pushline.line.ledger import RULE_NAMES, Judgement, Ledger, Run
from pushline.line.records import Record
from pushline.line.topics import TOPICS
from tests.unit.line.model.making import PARTITIONS, SOURCE
from tests.unit.line.model.reference import Known, Reference

Place = tuple[str, int]
MODELS = ("a", "b", "d")  # a and b share a partition
PLACES: tuple[Place, ...] = tuple((topic.name, number) for topic in TOPICS for number in range(PARTITIONS))
OUTCOMES = ("deployed", "rejected", "failed", "superseded")


class World:
    """The log: what lies in each partition of each topic."""

    def __init__(self) -> None:
        self.log: dict[Place, list[Record]] = {place: [] for place in PLACES}

    def append(self, event: Event) -> Record:
        message = encode(event, SOURCE)
        partition = partition_of(message.key, PARTITIONS)
        return self.put(Record(message.topic, partition, 0, message.key, message.value, tuple(message.headers), 0))

    def put(self, record: Record) -> Record:
        """Lay a record at the end of the partition that it names."""
        lying = self.log[(record.topic, record.partition)]
        lying.append(replace(record, offset=len(lying)))
        return lying[-1]

    def all(self) -> list[Record]:
        return [record for records in self.log.values() for record in records]


class LedgerReader:
    """One fold of the log, as far as it was read. It remembers what it said of every record and every run."""

    def __init__(self, world: World, rules: frozenset[str] = RULE_NAMES) -> None:
        self.world = world
        self.ledger = Ledger(PARTITIONS, rules)
        self.at: dict[Place, int] = dict.fromkeys(PLACES, 0)
        self.judged: dict[tuple[str, int, int], Judgement] = {}
        self.outcomes: dict[str, str] = {}
        self.changed_its_mind: list[str] = []

    def read(self, place: Place, most: int) -> None:
        lying = self.world.log[place][self.at[place] : self.at[place] + most]
        self.at[place] += len(lying)
        for record in lying:
            self._take(record)

    def read_all(self, places: Sequence[Place] = PLACES) -> "LedgerReader":
        for place in places:
            self.read(place, len(self.world.log[place]))
        return self

    def seen(self) -> dict[Place, Sequence[Record]]:
        return {place: self.world.log[place][:end] for place, end in self.at.items()}

    def _take(self, record: Record) -> None:
        for judgement in self.ledger.fold(record):
            known = self.judged.get(judgement.place)
            if known is not None and known.verdict != "kept":
                self.changed_its_mind.append(f"{judgement.place}: {known.verdict}, then {judgement.verdict}")
            self.judged[judgement.place] = judgement
        for run in self.ledger.runs.values():
            self._note_outcome(run)

    def _note_outcome(self, run: Run) -> None:
        said, now = self.outcomes.get(run.run_id, ""), run.outcome
        if said not in ("", now):
            self.changed_its_mind.append(f"run {run.model} {run.rank}: {said}, then {now}")
        self.outcomes[run.run_id] = now


State = dict[str, object]


def state_of(ledger: Ledger, model: str) -> State:
    line = ledger.line(model)
    return {
        "pushes": [entry.id for entry in line.pushes.values()],
        "runs": sorted((run.rank, run.run_id) for run in line.runs),
        "trained": {run.run_id: run.trained.id for run in line.runs if run.trained},
        "verdicts": {(run.run_id, base): entry.id for run in line.runs for base, entry in run.evaluated.items()},
        "deployed": [entry.id for entry in line.deployments],
        "newest": line.newest_deployed.id if line.newest_deployed else "",
        "numbers": (
            line.newest_generation,
            line.deploy_seq,
            line.highest_generation,
            line.highest_deploy_seq,
            line.highest_served_seq,
        ),
        "live": (line.live_digest, [each.run_id for each in line.live]),
        "barred": line.barred,
        "hold": line.on_hold,
        "floor": line.floor_generation,
        "slots": {run.run_id: run.slot.id for run in line.runs if run.slot},
        "outcomes": {run.run_id: run.outcome for run in line.runs},
        "served": {replica: entry.id for replica, entry in line.served.items()},
    }


def state_in(known: Known) -> State:
    """Give the same of the reference."""
    numbers = known.numbers or [(0, 0, 0)]
    newest = known.pushes[-1]["generation"] if known.pushes else 0
    slots = {run: known.slot(run) for run in known.runs}
    return {
        "pushes": [each.id for each in known.pushes],
        "runs": sorted((each.rank, run) for run, each in known.runs.items()),
        "trained": {run: each.id for run, each in known.trained.items()},
        "verdicts": {slot: each.id for slot, each in known.verdicts.items()},
        "deployed": [each.id for each in known.deployed],
        "newest": known.numbered[-1].id if known.numbered else "",
        "numbers": (newest, known.seq, *(max(column) for column in zip(*numbers, strict=True))),
        "live": (known.live_digest, [each["run_id"] for each in known.live]),
        "barred": known.barred(),
        "hold": known.on_hold,
        "floor": known.floor,
        "slots": {run: slot.id for run, slot in slots.items() if slot},
        "outcomes": {run: known.outcome(run) for run in known.runs},
        "served": {replica: each.id for replica, each in known.served.items()},
    }


def disagreements(reader: LedgerReader) -> list[str]:
    """Say where a reader and the reference differ about what the reader has read so far."""
    reference = Reference(reader.seen(), PARTITIONS)
    told = {place: judgement.verdict for place, judgement in reader.judged.items()}
    odd = [
        f"record {place}: the ledger says {told.get(place)}, the reference {verdict}"
        for place, verdict in reference.verdicts.items()
        if told.get(place) != verdict
    ]
    for model in MODELS:
        mine, right = state_of(reader.ledger, model), state_in(reference.models[model])
        odd += [
            f"{model}.{name}: the ledger says {mine[name]}, the reference {right[name]}"
            for name in right
            if mine[name] != right[name]
        ]
    return odd
