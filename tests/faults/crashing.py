"""Kills at exact points, the start again, and what became of every run: told by the log and the store alone."""

import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from statistics import median

from tests.faults import repositories
from tests.faults.doored_place import Doors
from tests.faults.evidence import all_records, report, seeded
from tests.faults.kafka_door import END_TXN
from tests.faults.killing import verdict_on
from tests.faults.points import POINTS, Point, Trial, come_by, newcomer
from tests.faults.processes import FaultLine
from tests.faults.promised import broken
from tests.waiting import until

COME_BY_SECONDS, RECOVERED_SECONDS = 60.0, 120.0


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


@dataclass
class CrashPoints:
    line: FaultLine
    doors: Doors
    model: str
    seed: int
    trials: int = 0
    runs: list[str] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # sentences

    def __post_init__(self) -> None:
        self._chance = seeded(self.seed)

    def begin(self) -> None:
        """Have something live, so that every trial has a model to replace."""
        run = self.line.push(self.model, 1.5)
        self.line.deployed(run)
        self.line.answers(self.model, run)

    def deal(self, strike: Strike) -> float:
        """Lay the trap, push, have the service killed by what it does itself, start it again. Gives the seconds to recover."""
        self.trials += 1
        factor = 1.0 + self.trials
        sha = self.line.repositories[self.model].push(repositories.good(factor))
        trial = Trial(self.line, self.doors, strike.victim, self.model, sha, self._chance)
        try:
            struck = self._struck(strike, trial)
            self.fired[strike.point.name] += 1
            run = until(lambda: self.line.run_of(self.model, sha), RECOVERED_SECONDS, f"the run of {sha}")
            self.runs.append(run)
            self.line.factors[run] = factor
            until(lambda: self.line.run(run).outcome, RECOVERED_SECONDS, f"the outcome of run {run}")
            self.line.answers(self.model, run, RECOVERED_SECONDS)
            self.line.services[strike.victim].ready(RECOVERED_SECONDS)
        except AssertionError as error:
            self.wrong.append(f"{strike}: {error}")
            self._mend(strike.victim)
            return 0.0
        took = time.monotonic() - struck
        self.recoveries.setdefault(strike.victim, []).append(took)
        return took

    def _struck(self, strike: Strike, trial: Trial) -> float:
        """Give the moment of the kill. Fails where the point was not come by, or was another one than it should be."""
        service = self.line.services[strike.victim]
        with ExitStack() as stack:
            trap, proof = strike.point.lay(trial, stack)
            tell(self.line, self.model, trial.sha)
            if strike.point.needs_newcomer:
                stack.enter_context(newcomer(self.line, strike.victim))
            come_by(trap, COME_BY_SECONDS, strike.point.name)
            code = service.exit_code(10)
            assert code == -signal.SIGKILL, f"ended with {code}, not by the kill"
        assert proof(), f"{trap.caught}: log or store do not show this point"
        self.line.start_again((strike.victim,))
        return trap.at

    def _mend(self, victim: str) -> None:
        """Let the next trial begin with everybody there."""
        if self.line.services[victim].child.ended:
            self.line.start_again((victim,))
        self.line.all_ready()

    def told(self) -> tuple[int, int, str]:
        """Give what was lost, what came double, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        records = all_records(self.line.seen.log)
        lost, double = verdict_on(records, self.runs, partitions)
        lost |= set(self.wrong) | set(broken(records, self.line.seen.store))
        transactions = sum(door.seen[END_TXN] for door in self.doors.kafka.values())
        took = sorted(seconds for each in self.recoveries.values() for seconds in each)
        figures = {
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
