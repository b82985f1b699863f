"""Kills at chosen moments of a run, the start again, and the oracle that says what became of every run."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

from pushline.line.codec import decode
from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelTrained
from pushline.line.records import Record
from pushline.objects import keys
from tests.faults import repositories
from tests.faults.evidence import all_records, folded, report, seeded
from tests.faults.processes import STAGES, FaultLine
from tests.waiting import until

SEEN_SECONDS, RECOVERED_SECONDS = 60.0, 120.0
SERVICES = (*STAGES, "predictor")
SERVERS = ("broker", "store")


@dataclass(frozen=True, slots=True)
class Moment:
    """When the blow falls. `gated`: the script waits until somebody lets it go on, so that it is certainly running."""

    name: str
    seen: Callable[[FaultLine, str, str], bool]  # line, model, run
    gated: bool = False


def _on(topic: str) -> Callable[[FaultLine, str, str], bool]:
    return lambda line, _model, run: line.has(run, topic)


def _try_started(line: FaultLine, model: str, run: str) -> bool:
    return any(key.endswith("/started") for key in line.seen.store.list(keys.tries(model, run)))


def _progress_moves(line: FaultLine, model: str, run: str) -> bool:
    found = [key for key in line.seen.store.list(keys.tries(model, run)) if key.endswith("/progress.json")]
    return any(json.loads(line.seen.store.read_bytes(key))["stage"] == "running" for key in found)


def _manifest_uploaded(line: FaultLine, model: str, run: str) -> bool:
    return any(True for _ in line.seen.store.list(keys.manifests(model, run)))


def _report_written(line: FaultLine, model: str, run: str) -> bool:
    return any(key.endswith("/report.json") for key in line.seen.store.list(f"runs/{model}/{run}/evaluation/"))


MOMENTS = (
    Moment("commit written", _on("commit")),
    Moment("try started", _try_started),
    Moment("progress moving", _progress_moves, gated=True),
    Moment("manifest uploaded", _manifest_uploaded),
    Moment("trained written", _on("trained")),
    Moment("report written", _report_written),
    Moment("evaluated", _on("evaluated")),
    Moment("deployed", _on("deployed")),
    Moment("served", _on("served")),
)


@dataclass(frozen=True, slots=True)
class Blow:
    victims: tuple[str, ...]
    moment: Moment


def every_blow(servers: Sequence[str], seed: int) -> list[Blow]:
    """Each service and server at each moment, and every two of them at a moment drawn by chance; in an order drawn by chance."""
    chance, victims = seeded(seed), (*SERVICES, *servers)
    blows = [Blow((victim,), moment) for victim in victims for moment in MOMENTS]
    blows += [Blow(pair, chance.choice(MOMENTS)) for pair in combinations(victims, 2)]
    chance.shuffle(blows)
    return blows


@dataclass
class Campaign:
    """Deals blows, one run each. What was lost or came double is counted by the log alone, not by what a service says of itself."""

    line: FaultLine
    model: str
    seed: int
    runs: list[str] = field(default_factory=list)
    kills: int = 0
    recoveries: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # sentences
    failed: set[str] = field(default_factory=set)  # the runs that they are about

    def deal(self, blow: Blow) -> None:
        """Push, wait for the moment, kill, start again; wait until the new model answers."""
        run = self.line.push(self.model, 2.0 + len(self.runs), gated=blow.moment.gated)
        self.runs.append(run)
        try:
            until(lambda: blow.moment.seen(self.line, self.model, run), SEEN_SECONDS, f"{blow.moment.name} of run {run}")
            self._strike(blow, run)
            self.line.all_ready()
        except (AssertionError, TimeoutError) as error:
            self.failed.add(run)
            self.wrong.append(f"{' and '.join(blow.victims)} killed at {blow.moment.name!r}: {error!r}")

    def _strike(self, blow: Blow, run: str) -> None:
        began = time.monotonic()
        self.line.kill(blow.victims)
        self.kills += len(blow.victims)
        self.line.start_again(blow.victims)
        try:
            until(lambda: self._is_over(run), RECOVERED_SECONDS, f"the outcome of run {run}")
            self.line.deployed(run)
            self.line.answers(self.model, run, RECOVERED_SECONDS)
        finally:
            self.recoveries.append(time.monotonic() - began)

    def _is_over(self, run: str) -> bool:
        repositories.open_gates(self.line.services["trainer"].work)
        return bool(self.line.run(run).outcome)

    def told(self) -> tuple[int, int, str]:
        """Give lost runs, doubled outcomes, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        lost, double = verdict_on(all_records(self.line.seen.log), self.runs, partitions)
        lost |= self.failed
        figures = {
            "kills": self.kills,
            "double": len(double),
            "recovery_median_s": round(median(self.recoveries or [0.0]), 2),
            "recovery_max_s": round(max(self.recoveries, default=0.0), 2),
        }
        return len(lost), len(double), report("kills", len(self.runs), len(lost), self.seed, **figures)


def verdict_on(records: Sequence[Record], runs: Sequence[str], partitions: int) -> tuple[set[str], set[str]]:
    """Give the runs that did not end as deployed, in the order of their pushes, and those with two commits, trainings or outcomes.

    The same bytes twice are one record that was sent twice; two different ones for one slot are two, whatever the ledger says.
    """
    known = folded(records, partitions).runs
    lost = {run for run in runs if run not in known or known[run].outcome != "deployed"}
    written: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        entry = decode(record)
        slot = _slot(entry.event)
        if slot:
            written[entry.event.run_id][slot].add(entry.id)
    double = {run for run in runs if any(len(ids) > 1 for ids in written[run].values())}
    return lost, double


def _slot(event: Event) -> str:
    if isinstance(event, CommitPushed | ModelTrained):
        return type(event).__name__
    return "outcome" if isinstance(event, ModelDeployed) and event.kind in ("promote", "close") else ""
