"""A broker that is killed, frozen and restarted at moments drawn by chance, under a flow of pushes and beside a steady client."""

import threading
import time
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Literal, NamedTuple

from tests.faults.evidence import all_records, report, seeded
from tests.faults.flow import Flow, conflicting, factors_of, lost_of
from tests.faults.killing import verdict_on
from tests.faults.processes import FaultLine
from tests.faults.promised import broken
from tests.faults.services import frozen
from tests.faults.steady import Steady
from tests.waiting import until

SHORTEST_FREEZE, LONGEST_FREEZE = 5.0, 60.0
GOES_ON_SECONDS, ENDS_SECONDS = 180.0, 180.0
Kind = Literal["kill", "freeze", "restart"]


class Blow(NamedTuple):
    kind: Kind
    after_seconds: float  # since the line went on after the one before
    away_seconds: float  # how long it stays away, or frozen


def blows(kills: int, freezes: int, restarts: int, seed: int) -> list[Blow]:
    """Freezes are spread evenly from the shortest to the longest, on a scale of factors; all else is drawn by chance."""
    chance = seeded(seed)
    steps = [number / max(1, freezes - 1) for number in range(freezes)]
    made = [Blow("freeze", _moment(chance), SHORTEST_FREEZE * (LONGEST_FREEZE / SHORTEST_FREEZE) ** step) for step in steps]
    made += [Blow("kill", _moment(chance), chance.uniform(0, 2)) for _ in range(kills)]
    made += [Blow("restart", _moment(chance), 0) for _ in range(restarts)]
    chance.shuffle(made)
    return made


def _moment(chance: Random) -> float:
    return chance.uniform(0, 3)


@dataclass
class BrokerTrouble:
    line: FaultLine
    flow: Flow
    seed: int
    dealt: list[Blow] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # sentences

    def deal(self, blow: Blow) -> float:
        """Strike, let it come back, wait until the line deploys again. Gives the seconds from coming back to that."""
        threading.Event().wait(blow.after_seconds)
        self.dealt.append(blow)
        before = self._deployments()
        self._strike(blow)
        back = time.monotonic()
        try:
            until(lambda: self._deployments() > before, GOES_ON_SECONDS, "the next deployment")
        except AssertionError as error:
            self.wrong.append(f"{blow}: {error}; {self._problems()}")
        self.recoveries.append(time.monotonic() - back)
        return self.recoveries[-1]

    def _strike(self, blow: Blow) -> None:
        broker = self.line.servers["broker"]
        if blow.kind == "freeze":
            with frozen(broker.pid):
                threading.Event().wait(blow.away_seconds)
            return
        (broker.kill if blow.kind == "kill" else broker.stop)()
        threading.Event().wait(blow.away_seconds)
        broker.start()

    def _deployments(self) -> int:
        with self.line.seen.tail.read() as ledger:
            return sum(len(line.deployments) for line in ledger.models.values())

    def _problems(self) -> dict[str, str]:
        return {name: service.problem() for name, service in self.line.services.items()}

    def settle(self) -> None:
        """Wait until every accepted run has ended and the newest of each model answers. The flow is over by then."""
        self.wrong += self.flow.failures
        try:
            until(self._all_ended, ENDS_SECONDS, "the outcome of every run")
            for run in self.flow.heads:
                self.line.answers(self.flow.accepted[run], run)
        except AssertionError as error:
            self.wrong.append(str(error))

    def _all_ended(self) -> bool:
        """A run that was accepted may be nowhere: that is what is looked for."""
        with self.line.seen.tail.read() as ledger:
            return all(run in ledger.runs and ledger.runs[run].outcome for run in self.flow.accepted)

    def told(self, steady: Steady) -> tuple[int, str]:
        """Give how much went wrong, and the campaign's line."""
        self.line.seen.tail.catch_up(30)
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        records, accepted = all_records(self.line.seen.log), list(self.flow.accepted)
        lost = (
            lost_of(records, accepted, self.flow.heads, partitions) | set(self.wrong) | set(broken(records, self.line.seen.store))
        )
        conflicts = conflicting(records) | verdict_on(records, accepted, partitions)[1]
        wrong_answers = steady.wrong(factors_of(self.line))
        self.wrong += [*steady.failures[:5], *map(str, wrong_answers[:5])]
        figures = {
            **{f"{kind}s": sum(blow.kind == kind for blow in self.dealt) for kind in ("kill", "freeze", "restart")},
            "pushes": len(accepted),
            "conflicting": len(conflicts),
            "predictions": len(steady.answers),
            "predict_errors": len(steady.failures),
            "wrong_answers": len(wrong_answers),
            "predict_p99_ms": steady.p99_ms,
            "recovery_median_s": round(median(self.recoveries), 2),
            "recovery_max_s": round(max(self.recoveries), 2),
        }
        bad = len(lost) + len(conflicts) + len(steady.failures) + len(wrong_answers)
        return bad, report("broker", len(self.dealt), len(lost), self.seed, **figures)
