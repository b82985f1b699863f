"""Two of each service: either is killed or frozen in the middle of runs, the other takes over, and who wakes changes nothing."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from pushline.client import Client, PredictionFailed
from pushline.line.ids import partition_of
from tests.faults import repositories
from tests.faults.evidence import all_records, report, seeded
from tests.faults.killing import verdict_on
from tests.faults.members import owners
from tests.faults.processes import ALL, STAGES, FaultLine
from tests.faults.rebalances import PARTITIONS
from tests.waiting import until

SECOND = "-2"
OWNER = "?"  # whichever of the pair owns the model's partition
OVER_SECONDS, ANSWER_SECONDS = 120.0, 60.0
MOST_DELAY_SECONDS = 1.5  # from the webhook's 202 to the blow


@dataclass(frozen=True, slots=True)
class Blow:
    victims: tuple[str, ...]
    frozen: bool  # else killed


def by_chance(seed: int, number: int) -> list[Blow]:
    """Give blows to one or two services, of either of the pair."""
    chance = seeded(seed)
    blows = []
    for _ in range(number):
        names = chance.sample(ALL, chance.choice((1, 1, 2)))
        blows.append(Blow(tuple(name + chance.choice(("", SECOND, OWNER, OWNER)) for name in names), chance.random() < 0.5))
    return blows


def second_of_each(line: FaultLine) -> None:
    for name in ALL:
        if f"{name}{SECOND}" not in line.services:
            line.another(f"{name}{SECOND}", name)
    for name in ("trainer", "evaluator", "deployer"):
        line.services[f"{name}{SECOND}"].ready()


@dataclass
class Campaign:
    line: FaultLine
    models: Sequence[str]
    seed: int
    runs: list[str] = field(default_factory=list)
    taken_over: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # sentences
    failed: set[str] = field(default_factory=set)  # the runs that they are about

    def deal(self, blow: Blow) -> None:
        """Push, strike, and wait for outcome and answers while the victims are away; then let them come back."""
        model, chance = self.models[len(self.runs) % len(self.models)], seeded(self.seed + len(self.runs))
        run = self.line.push(model, 2.0 + len(self.runs))
        self.runs.append(run)
        time.sleep(chance.uniform(0, MOST_DELAY_SECONDS))
        began, blow = time.monotonic(), replace(blow, victims=tuple(self._named(victim, model) for victim in blow.victims))
        for victim in blow.victims:
            os.kill(self.line.services[victim].pid, signal.SIGSTOP if blow.frozen else signal.SIGKILL)
        try:
            self.line.deployed(run, OVER_SECONDS)
            self.taken_over.append(time.monotonic() - began)
            for name in {"predictor", f"predictor{SECOND}"} - set(blow.victims):
                self._answers(name, model, run)
        except (AssertionError, TimeoutError) as error:
            self.failed.add(run)
            self.wrong.append(f"{' and '.join(blow.victims)} {'frozen' if blow.frozen else 'killed'}: {error!r}")
        finally:
            self._come_back(blow)
        self._both_answer(model, run)

    def _both_answer(self, model: str, run: str) -> None:
        try:
            for name in ("predictor", f"predictor{SECOND}"):
                self._answers(name, model, run)
        except (AssertionError, TimeoutError) as error:
            self.failed.add(run)
            self.wrong.append(f"after that: {error}")

    def _named(self, victim: str, model: str) -> str:
        name = victim.removesuffix(OWNER)
        if name == victim or name not in STAGES:
            return name
        partition = partition_of(model.encode(), PARTITIONS)
        owner = next((who for who, share in owners(self.line, name).items() if partition in share), name)
        return owner if owner in self.line.services else name

    def _come_back(self, blow: Blow) -> None:
        for victim in blow.victims:
            service = self.line.services[victim]
            if blow.frozen:
                os.kill(service.pid, signal.SIGCONT)
            else:
                assert service.child.wait(10)
                service.start()
                service.listening()
        for victim in blow.victims:
            if not victim.startswith("predictor"):
                self.line.services[victim].ready()

    def _answers(self, name: str, model: str, run: str) -> None:
        slot = self.line.run(run).slot
        assert slot is not None, f"run {run} has no outcome"
        with Client(f"127.0.0.1:{self.line.services[name].child.ports['grpc']}") as client:
            until(lambda: _digest(client, model) == slot.event.digest, ANSWER_SECONDS, f"{name} to answer as run {run}")

    def told(self) -> tuple[int, int, str]:
        """Give lost runs, doubled outcomes, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        lost, double = verdict_on(all_records(self.line.seen.log), self.runs, partitions)
        lost |= self.failed
        figures = {
            "double": len(double),
            "outcome_median_s": round(median(self.taken_over or [0.0]), 2),
            "outcome_max_s": round(max(self.taken_over, default=0.0), 2),
        }
        return len(lost), len(double), report("pairs", len(self.runs), len(lost), self.seed, **figures)


def _digest(client: Client, model: str) -> str:
    try:
        return client.predict(repositories.X, model=model).digest
    except PredictionFailed:
        return ""
