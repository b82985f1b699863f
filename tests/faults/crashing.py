"""Kills at exact points, the start again, and what became of every run: told by the log and the store alone."""

import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import zip_longest
from statistics import median

from tests.faults import repositories
from tests.faults.doored_place import Doors
from tests.faults.evidence import all_records, report, seeded
from tests.faults.kafka_door import END_TXN
from tests.faults.killing import verdict_on
from tests.faults.points import POINTS, Point, Proof, Trial, come_by, newcomer
from tests.faults.processes import FaultLine
from tests.faults.promised import broken
from tests.faults.relay import Trap
from tests.waiting import until

COME_BY_SECONDS, RECOVERED_SECONDS = 60.0, 120.0
ALONG_THE_LINE = ("trainer", "evaluator", "deployer", "predictor")


@dataclass(frozen=True, slots=True)
class Strike:
    point: Point
    victim: str

    def __str__(self) -> str:
        return f"{self.victim}, {self.point.name}"


def every_strike(times: int, seed: int) -> list[Strike]:
    """Each point at each service where it applies, so many times; in an order drawn by chance."""
    strikes = [Strike(point, victim) for point in POINTS for victim in point.victims] * times
    seeded(seed).shuffle(strikes)
    return strikes


def each_point_once(seed: int) -> list[Strike]:
    chance = seeded(seed)
    return [Strike(point, chance.choice(point.victims)) for point in POINTS]


def by_push(strikes: Iterable[Strike]) -> list[list[Strike]]:
    """Let one push meet a strike at each service on its way, in the order of the line: a third as many pushes as strikes.

    A rebalance has a push of its own: the member that brings it about takes partitions from whoever is there.
    """
    alone = [[strike] for strike in strikes if strike.point.needs_newcomer]
    together = [strike for strike in strikes if not strike.point.needs_newcomer]
    queues = [[strike for strike in together if strike.victim == victim] for victim in ALONG_THE_LINE]
    return [[strike for strike in each if strike] for each in zip_longest(*queues)] + alone


@dataclass
class CrashPoints:
    line: FaultLine
    doors: Doors
    model: str
    seed: int
    trials: int = 0
    runs: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # sentences
    _pushes: int = 0

    def __post_init__(self) -> None:
        self._chance = seeded(self.seed)

    def begin(self) -> None:
        """Have something live, so that every trial has a model to replace."""
        run = self.line.push(self.model, 1.5)
        self.line.deployed(run)
        self.line.answers(self.model, run)

    def deal(self, strikes: Sequence[Strike]) -> float:
        """Lay the traps, push, have services killed by what they do themselves, start them again.

        At most one strike a service, in the order of the line. Gives the seconds from the last kill until all is well again.
        """
        self.trials += len(strikes)
        self._pushes += 1
        factor = 1.0 + self._pushes
        sha = self.line.repositories[self.model].push(repositories.good(factor))
        try:
            struck = self._struck(strikes, sha)
            run = until(lambda: self.line.run_of(self.model, sha), RECOVERED_SECONDS, f"the run of {sha}")
            self.runs.append(run)
            self.line.factors[run] = factor
            until(lambda: self.line.run(run).outcome, RECOVERED_SECONDS, f"the outcome of run {run}")
            self.line.answers(self.model, run, RECOVERED_SECONDS)
            for strike in strikes:
                self.line.services[strike.victim].ready(RECOVERED_SECONDS)
        except AssertionError as error:
            self.wrong.append(f"{'; '.join(map(str, strikes))}: {error}")
            self._mend([strike.victim for strike in strikes])
            return 0.0
        took = time.monotonic() - struck
        self.recoveries.append(took)
        return took

    def _struck(self, strikes: Sequence[Strike], sha: str) -> float:
        """Give the moment of the last kill. Fails where a point was not come by, or was another one than it should be."""
        with ExitStack() as stack:
            laid = [
                strike.point.lay(Trial(self.line, self.doors, strike.victim, self.model, sha, self._chance), stack)
                for strike in strikes
            ]
            tell(self.line, self.model, sha)
            for strike in strikes:
                if strike.point.needs_newcomer:
                    stack.enter_context(newcomer(self.line, strike.victim))
            for strike, (trap, proof) in zip(strikes, laid, strict=True):
                self._come_by(strike, trap, proof)
        return max(trap.at for trap, _ in laid)

    def _come_by(self, strike: Strike, trap: Trap, proof: Proof) -> None:
        come_by(trap, COME_BY_SECONDS, str(strike))
        code = self.line.services[strike.victim].exit_code(10)
        assert code == -signal.SIGKILL, f"{strike.victim} ended with {code}, not by the kill"
        assert proof(), f"{strike}: {trap.caught}: log or store do not show this point"
        self.fired[strike.point.name] += 1
        self.line.start_again((strike.victim,))

    def _mend(self, victims: Sequence[str]) -> None:
        """Let the next trial begin with everybody there."""
        ended = [victim for victim in victims if self.line.services[victim].child.ended]
        self.line.start_again(ended)
        self.line.all_ready()

    def told(self) -> tuple[int, int, str]:
        """Give what was lost, what came double, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        records = all_records(self.line.seen.log)
        lost, double = verdict_on(records, self.runs, partitions)
        lost |= set(self.wrong) | set(broken(records, self.line.seen.store))
        transactions = sum(door.seen[END_TXN] for door in self.doors.kafka.values())
        took = self.recoveries
        figures = {
            "pushes": self._pushes,
            "fired": sum(self.fired.values()),
            "points": len(self.fired),
            "double": len(double),
            "transactions": transactions,
            "recovery_median_s": round(median(took or [0.0]), 2),
            "recovery_max_s": round(max(took or [0.0]), 2),
        }
        return len(lost) + transactions, len(double), report("crash-points", self.trials, len(lost), self.seed, **figures)


def tell(line: FaultLine, model: str, sha: str) -> None:
    """Deliver the webhook once. What it is answered is not what counts: who was killed answers nothing."""
    try:
        line.seen.hint(model, sha)
    except (OSError, HTTPException, ValueError):  # the answer broke off
        return
