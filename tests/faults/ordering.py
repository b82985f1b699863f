"""Races of two deployers that own every partition, and an oracle that reads the log: nothing older wins, all readers agree."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pushline.line.ledger import RULE_NAMES, Ledger, ModelLine
from pushline.line.records import Record
from tests.faults.evidence import all_records, digest, folded, interleaved, report, seeded
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.telling import Teller
from tests.unit.line.model.reference import Reference
from tests.unit.line.model.world import state_in, state_of

DEPLOYERS = ("deployer", "twin")
INTERLEAVINGS = 5


@contextmanager
def two_deployers(folder: Path, place: Place) -> Iterator[FaultLine]:
    """A deployer and its twin. Their groups are not the same, so that each owns every partition: two of a mind."""
    with fault_line(folder, place, Wish({}, services=("deployer",))) as running:
        running.another("twin", "deployer", [sys.executable, "-m", "tests.faults.twin", "deployer"]).ready()
        yield running


def teller(line: FaultLine, model: str) -> Teller:
    return Teller(line.seen.log, line.seen.tail, line.seen.store, model)


@dataclass
class Races:
    """Each race is a model of its own, whose runs end in an order drawn by chance."""

    line: FaultLine
    seed: int
    kinds: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    stuck: list[str] = field(default_factory=list)  # races that did not come to their end

    def __post_init__(self) -> None:
        self._chance = seeded(self.seed)

    def run(self, number: int) -> None:
        kind = ("plain", "asleep", "rolled back", "two evaluators")[number % 4]
        self.kinds[kind] += 1
        kinds = {
            "plain": self._plain,
            "asleep": self._asleep,
            "rolled back": self._rolled_back,
            "two evaluators": self._twice_judged,
        }
        try:
            kinds[kind](teller(self.line, f"race-{number}"))
        except (AssertionError, TimeoutError) as error:
            self.stuck.append(f"race-{number}, {kind}: {error!r}")

    def _plain(self, telling: Teller, judge: Callable[[], None] | None = None) -> None:
        runs = [telling.push() for _ in range(self._chance.randint(2, 4))]
        self.runs += len(runs)
        self._chance.shuffle(runs)
        for run in runs:
            telling.train(run)
            if self._chance.random() < 0.7:
                (judge or telling.judge_all)()
        telling.all_end()

    def _asleep(self, telling: Teller) -> None:
        """One of the two sleeps through deployments, and wakes while the other goes on."""
        self._plain(telling)
        with self.line.services[self._chance.choice(DEPLOYERS)].frozen():
            self._plain(telling)
            late = telling.push()
            telling.train(late)
            telling.judge_all()
        self._plain(telling)
        self.runs += 1

    def _rolled_back(self, telling: Teller) -> None:
        """A person goes back while a run is in flight; what is pushed later goes live."""
        self._plain(telling)
        first = telling.live()
        self._plain(telling)
        in_flight = telling.push()
        telling.rollback(first)
        telling.train(in_flight)
        telling.say(telling.verdict(in_flight, first))
        telling.all_end()
        self._plain(telling)
        self.runs += 1

    def _twice_judged(self, telling: Teller) -> None:
        """Every verdict comes twice, from two evaluators of another opinion."""

        def judge() -> None:
            with telling.tail.read() as ledger:
                line = ledger.line(telling.model)
                due = [run for run in line.runs if run.trained and not run.outcome and line.live_digest not in run.evaluated]
                verdicts = [telling.verdict(run, line.live_digest) for run in due]
            for verdict in verdicts:
                telling.say(verdict)
                telling.say(replace(verdict, verdict="rejected", reason="gate_failed", sentence="not good enough"))

        self._plain(telling, judge)

    def told(self) -> tuple[list[str], str]:
        """Give what is wrong, and the campaign's line."""
        records = all_records(self.line.seen.log)
        self.line.seen.tail.catch_up(30)
        with self.line.seen.tail.read() as ledger:
            partitions, seen, lost_races = ledger.partitions, digest(ledger), ledger.counts[("deployed", "invalid")]
        older, odd = older_over_newer(records, partitions), disagreements(records, partitions, self.seed)
        odd += [] if digest(folded(records, partitions)) == seen else ["the tail that read along knows another state"]
        figures = {"races": self.kinds.total(), "older_over_newer": len(older), "disagreements": len(odd), "lost_races": lost_races}
        wrong = [*self.stuck, *older, *odd]
        return wrong, report("order", self.runs, len(wrong), self.seed, **figures)


def older_over_newer(records: Sequence[Record], partitions: int, rules: frozenset[str] = RULE_NAMES) -> list[str]:
    """Say where a deployment counts, for the fold that all services have, that is not newer than all in front of it."""
    ledger = Ledger(partitions, rules)
    for record in records:
        ledger.fold(record)
    return [sentence for line in ledger.models.values() for sentence in _out_of_order(line)]


def _out_of_order(line: ModelLine) -> Iterator[str]:
    highest, floor, seq = (0, 0), 0, 0
    ended: Counter[str] = Counter()
    for put in (entry.event for entry in line.deployments):
        rank = (put.generation, put.attempt)
        if put.kind == "promote" and (rank <= highest or rank[0] <= floor):
            yield f"{line.name}: {rank} was promoted after {highest}, the floor is {floor}"
        if put.kind != "close" and put.deploy_seq <= seq:
            yield f"{line.name}: deploy_seq {put.deploy_seq} after {seq}"
        highest = max(highest, rank) if put.kind == "promote" else highest
        floor = max(floor, put.floor_generation) if put.kind == "rollback" else floor
        seq = max(seq, put.deploy_seq)
        ended[put.run_id] += put.kind in ("promote", "close")
    yield from (f"{line.name}: run {run} has {count} outcomes" for run, count in ended.items() if count > 1)
    yield from (f"{line.name}: run {run.rank} has no outcome" for run in line.runs if run.trained and not run.outcome)


def disagreements(records: Sequence[Record], partitions: int, seed: int, rules: frozenset[str] = RULE_NAMES) -> list[str]:
    """Say where the fold, in any order of the topics, and the rules written a second time differ."""
    reference, chance = Reference(_places(records), partitions), seeded(seed)
    orders = [list(records), *(interleaved(records, chance) for _ in range(INTERLEAVINGS))]
    return [odd for order in orders for odd in _differences(order, reference, Ledger(partitions, rules))]


def _differences(records: Sequence[Record], reference: Reference, ledger: Ledger) -> list[str]:
    told: dict[tuple[str, int, int], str] = {}
    for record in records:
        told |= {judgement.place: judgement.verdict for judgement in ledger.fold(record)}
    odd = [
        f"{place}: the ledger says {told.get(place)}, the reference {said}"
        for place, said in reference.verdicts.items()
        if told.get(place) != said
    ]
    for model, known in reference.models.items():
        mine, right = state_of(ledger, model), state_in(known)
        odd += [f"{model}.{name}: {mine[name]} and {right[name]}" for name in right if mine[name] != right[name]]
    return odd


def _places(records: Sequence[Record]) -> dict[tuple[str, int], list[Record]]:
    found: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        found.setdefault((record.topic, record.partition), []).append(record)
    return found
