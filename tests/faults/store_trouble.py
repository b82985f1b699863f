"""A store that is killed, and whose transfers are corrupted, cut or stalled on their way, while commits are carried through."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tests.faults.doored_place import Doors
from tests.faults.evidence import all_records, report, seeded
from tests.faults.flow import conflicting, factors_of
from tests.faults.http_door import HttpTrap
from tests.faults.killing import verdict_on
from tests.faults.processes import FaultLine
from tests.faults.promised import broken
from tests.faults.relay import Spring, cuts, flips, stalls, trickles
from tests.faults.steady import Steady
from tests.waiting import until

ENDS_SECONDS, TRIES = 120.0, 5
STALLED_SECONDS, SLOW_BYTES_A_SECOND = 8.0, 10_000.0
# Who moves what, and how many such transfers a run has: one of them is chosen.
MOVES = {
    ("trainer", "PUT"): 10,
    ("trainer", "GET"): 10,
    ("evaluator", "GET"): 6,
    ("evaluator", "PUT"): 3,
    ("predictor", "GET"): 2,
}
DAMAGES: dict[str, Callable[[], Spring]] = {"flipped": flips, "cut": lambda: cuts}
DELAYS: dict[str, Callable[[], Spring]] = {
    "stalled": lambda: stalls(STALLED_SECONDS),
    "slow": lambda: trickles(SLOW_BYTES_A_SECOND),
}


@dataclass
class StoreTrouble:
    line: FaultLine
    doors: Doors
    model: str
    seed: int
    runs: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    caught: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # sentences

    def __post_init__(self) -> None:
        self._chance = seeded(self.seed)

    def carry_one(self) -> None:
        """Push once, and wait until the new model answers."""
        self._ends(self._push())

    def make(self, kills: int, damages: int, delays: int) -> None:
        """Have so much trouble, in an order drawn by chance; of transfers as many as there were, not as there were meant to be."""
        for kind in self._chance.sample(["kill"] * kills + ["delay"] * delays, kills + delays):
            self._at_least(1, self.kill if kind == "kill" else self.delay)
        self._at_least(damages, self.damage)

    def _at_least(self, wanted: int, trouble: Callable[[], int]) -> None:
        done, tries = 0, 0
        while done < wanted:
            done, tries = done + trouble(), tries + 1
            if tries > TRIES * wanted:
                self.wrong.append(f"{done} of {wanted} after {tries} runs")
                return

    def kill(self) -> int:
        """Kill the store at some moment of a run, and start it again."""
        run = self._push()
        threading.Event().wait(self._chance.uniform(0, 2))
        store = self.line.servers["store"]
        store.kill()
        self.done["killed"] += 1
        threading.Event().wait(self._chance.uniform(0, 2))
        store.start()
        self._ends(run)
        return 1

    def damage(self) -> int:
        """Corrupt or cut one transfer of each kind in a run; give how many were."""
        return self._meddle({move: self._chance.choice([*DAMAGES]) for move in MOVES})

    def delay(self) -> int:
        """Stall or slow one transfer of a run; give how many were."""
        return self._meddle({self._chance.choice([*MOVES]): self._chance.choice([*DELAYS])})

    def _meddle(self, how: dict[tuple[str, str], str]) -> int:
        traps = [(move, kind, self._trap(move, {**DAMAGES, **DELAYS}[kind]())) for move, kind in how.items()]
        with ExitStack() as stack:
            for (service, _), _, trap in traps:
                stack.enter_context(self.doors.store[service].armed(trap))
            self._ends(self._push())
        sprung = [(move, kind, trap) for move, kind, trap in traps if trap.sprung.is_set()]
        self.done.update(kind for _, kind, _ in sprung)
        self.caught += [f"{service}: {kind} {trap.caught}" for (service, _), kind, trap in sprung]
        return len(sprung)

    def _trap(self, move: tuple[str, str], spring: Spring) -> HttpTrap:
        _, method = move
        return HttpTrap(
            spring=spring,
            method=method,
            path=f"/(models|runs|datasets)/{self.model}/",
            side="request" if method == "PUT" else "answer",
            at_share=self._chance.uniform(0, 0.999),
            skip=self._chance.randrange(MOVES[move]),
        )

    def _push(self) -> str:
        run = self.line.push(self.model, 2.0 + len(self.runs))
        self.runs.append(run)
        return run

    def _ends(self, run: str) -> None:
        began = time.monotonic()
        try:
            until(lambda: self.line.run(run).outcome, ENDS_SECONDS, f"the outcome of run {run}")
            self.line.answers(self.model, run)
        except AssertionError as error:
            self.wrong.append(str(error))
        self.recoveries.append(time.monotonic() - began)

    def told(self, steady: Steady) -> tuple[int, str]:
        """Give how much went wrong, and the campaign's line."""
        self.line.seen.tail.catch_up(30)
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        records = all_records(self.line.seen.log)
        lost, double = verdict_on(records, self.runs, partitions)
        lost |= set(self.wrong)
        unverified, wrong_answers = broken(records, self.line.seen.store), steady.wrong(factors_of(self.line))
        double |= conflicting(records)
        self.wrong += [*unverified[:5], *steady.failures[:5], *map(str, wrong_answers[:5])]
        figures = {
            **{kind: self.done[kind] for kind in ("killed", *DAMAGES, *DELAYS)},
            "runs": len(self.runs),
            "double": len(double),
            "unverified": len(unverified),
            "predictions": len(steady.answers),
            "predict_errors": len(steady.failures),
            "wrong_answers": len(wrong_answers),
            "predict_p99_ms": steady.p99_ms,
            "to_answer_median_s": round(median(self.recoveries), 2),
            "to_answer_max_s": round(max(self.recoveries), 2),
        }
        bad = len(lost) + len(double) + len(unverified) + len(steady.failures) + len(wrong_answers)
        return bad, report("store", sum(self.done.values()), len(lost), self.seed, **figures)
