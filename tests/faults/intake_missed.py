"""Webhooks that never arrive: the poller finds what they would have told."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median
from time import time

from tests.faults.accepting import Verdict, come_to_rest, verdict_on
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
    dropped: dict[str, float] = field(default_factory=dict)  # sha → seconds since 1970 of its push

    def run(self, pushes: int) -> None:
        """Push, tell of most, and wait until the others are known too; not for ever, as one that is lost never is."""
        asyncio.run(self._run(pushes))
        with suppress(AssertionError):
            until(lambda: None not in self._healed(), HEALED_SECONDS, "the pushes that nobody was told of")
            come_to_rest(self.line, {branch.model: branch.moved for branch in self.branches})

    async def _run(self, pushes: int) -> None:
        chance, forges = seeded(self.seed), cycle(FORGES)
        sender, tasks = Sender(lambda: self.line.services["trainer"].child.ports["webhook"]), []
        unheard = set(chance.sample(range(pushes), max(1, round(pushes * DROPPED))))
        for number, branch in zip(range(pushes), cycle(self.branches), strict=False):
            sha = branch.push()
            if number in unheard:
                self.dropped[sha] = time()
            else:
                tasks.append(asyncio.create_task(sender.deliver(Delivery(branch.model, sha, next(forges)), branch.address)))
            await asyncio.sleep(self.rest / len(self.branches))
        self.told_of = list(await asyncio.gather(*tasks))
        sender.close()

    def _healed(self) -> list[float | None]:
        """Give the seconds from each such push to the broker's time of its record; None where there is none."""
        with self.line.seen.tail.read() as ledger:
            known = {
                push.event.commit.sha: push.timestamp_ms / 1000
                for branch in self.branches
                for push in ledger.line(branch.model).pushes.values()
            }
        return [known[sha] - at if sha in known else None for sha, at in self.dropped.items()]

    def told(self) -> tuple[Verdict, int, str]:
        """Give what was lost or wrong of those that were told, how many of the others, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        pushed = {branch.model: branch.moved for branch in self.branches}
        verdict = verdict_on(all_records(self.line.seen.log), partitions, self.told_of, pushed)
        healed = [seconds for seconds in self._healed() if seconds is not None]
        unhealed = len(self.dropped) - len(healed)
        figures = {
            "pushes": sum(len(moved) for moved in pushed.values()),
            "healed": len(healed),
            "heal_median_s": round(median(healed), 2) if healed else "none",
            "heal_max_s": round(max(healed), 2) if healed else "none",
            "extra": len(verdict.extra),
            "wrong_heads": len(verdict.wrong),
        }
        return verdict, unhealed, report("missed", len(self.dropped), unhealed + len(verdict.lost), self.seed, **figures)
