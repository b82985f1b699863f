"""Webhooks that never arrive: the poller finds what they would have told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median
from time import time

from tests.faults.accepting import Verdict, verdict_on
from tests.faults.delivering import FORGES, Delivery, Sender, Told
from tests.faults.evidence import all_records, report, seeded
from tests.faults.processes import FaultLine
from tests.faults.pushing import Branch
from tests.waiting import until

DROPPED = 0.1
HEALED_SECONDS = 60.0


@dataclass
class Campaign:
    """`rest`: seconds between two pushes of one model, longer than its reconcile_interval: each push is the head for a while."""

    line: FaultLine
    branches: Sequence[Branch]
    seed: int
    rest: float
    told_of: list[Told] = field(default_factory=list)
    dropped: dict[str, tuple[str, float]] = field(default_factory=dict)  # sha → model, seconds since 1970 of its push

    def run(self, pushes: int) -> None:
        asyncio.run(self._run(pushes))
        for sha, (model, _) in self.dropped.items():
            until(lambda model=model, sha=sha: self._recorded(model, sha), HEALED_SECONDS, f"commit {sha[:8]} of {model}")  # type: ignore[misc]

    async def _run(self, pushes: int) -> None:
        chance, forges = seeded(self.seed), cycle(FORGES)
        sender, tasks = Sender(lambda: self.line.services["trainer"].child.ports["webhook"]), []
        unheard = set(chance.sample(range(pushes), max(1, round(pushes * DROPPED))))
        for number, branch in zip(range(pushes), cycle(self.branches), strict=False):
            sha = branch.push()
            if number in unheard:
                self.dropped[sha] = branch.model, time()
            else:
                tasks.append(asyncio.create_task(sender.deliver(Delivery(branch.model, sha, next(forges)), branch.address)))
            await asyncio.sleep(self.rest / len(self.branches))
        self.told_of = list(await asyncio.gather(*tasks))
        sender.close()

    def _recorded(self, model: str, sha: str) -> float:
        """Give when the broker took the push of this commit, 0 where it is not known."""
        with self.line.seen.tail.read() as ledger:
            pushes = ledger.line(model).pushes.values()
            return next((push.timestamp_ms / 1000 for push in pushes if push.event.commit.sha == sha), 0.0)

    def told(self) -> tuple[Verdict, str]:
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        pushed = {branch.model: branch.moved for branch in self.branches}
        verdict = verdict_on(all_records(self.line.seen.log), partitions, self.told_of, pushed)
        healed = [self._recorded(model, sha) - at for sha, (model, at) in self.dropped.items()]
        figures = {
            "pushes": sum(len(moved) for moved in pushed.values()),
            "healed": sum(seconds > -1 for seconds in healed),
            "heal_median_s": round(median(healed), 2),
            "heal_max_s": round(max(healed), 2),
            "extra": len(verdict.extra),
            "wrong_heads": len(verdict.wrong),
        }
        lost = sum(seconds <= -1 for seconds in healed) + len(verdict.lost)
        return verdict, report("missed", len(self.dropped), lost, self.seed, **figures)
