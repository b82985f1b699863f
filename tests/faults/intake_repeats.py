"""Deliveries that come many times, late and in any order: one run a push, and the head is the newest."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import permutations
from random import Random

from tests.faults.accepting import Verdict, come_to_rest, verdict_on
from tests.faults.delivering import FORGES, Delivery, Sender, Told
from tests.faults.evidence import all_records, report, seeded
from tests.faults.processes import FaultLine
from tests.faults.pushing import Branch

AT_ONCE = 16
REPLAYED = 20  # one delivery in so many comes once more after everything is over
GAP_SECONDS = 0.005  # between two deliveries of a permutation


@dataclass
class Campaign:
    line: FaultLine
    branches: Sequence[Branch]
    seed: int
    deliveries: list[Told] = field(default_factory=list)
    moved_at: dict[str, float] = field(default_factory=dict)  # when a commit was the head no more
    permutations: int = 0
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sender = Sender(lambda: self.line.services["trainer"].child.ports["webhook"])

    def run(self, pushes: int, times: int) -> None:
        """Push so often, each told `times` times, at random moments from its push on, 16 at a time; then in every order of four."""
        asyncio.run(self._run(pushes, times))
        with suppress(AssertionError):  # what has not come by then is told as lost or wrong
            come_to_rest(self.line, {branch.model: branch.moved for branch in self.branches})

    async def _run(self, pushes: int, times: int) -> None:
        chance = seeded(self.seed)
        for step in _steps(chance, pushes, times):
            await self._take(step, chance)
        await self._drain()
        again = [told.delivery for told in self.deliveries[::REPLAYED]]
        for delivery in again:
            await self._tell(delivery, f"{chance.getrandbits(64):x}")
        await self._drain()
        await asyncio.gather(*(self._every_order(branch, number) for number, branch in enumerate(self.branches)))
        self._sender.close()

    async def _take(self, step: tuple[int, bool], chance: Random) -> None:
        number, is_push = step
        branch = self.branches[number % len(self.branches)]
        if is_push:
            self._push(branch)
            return
        # Half of them are redeliveries, which keep their id; half are new ones.
        delivery = Delivery(branch.model, branch.moved[number // len(self.branches)], chance.choice(FORGES))
        await self._tell(delivery, chance.choice((str(number), f"{chance.getrandbits(64):x}")))

    def _push(self, branch: Branch) -> None:
        before = branch.moved[-1] if branch.moved else ""
        branch.push()
        self.moved_at[before] = time.monotonic()

    async def _tell(self, delivery: Delivery, delivery_id: str) -> None:
        await self._room.acquire()
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._send(delivery, delivery_id)))

    async def _send(self, delivery: Delivery, delivery_id: str) -> None:
        branch = next(branch for branch in self.branches if branch.model == delivery.model)
        try:
            self.deliveries.append(await self._sender.deliver(delivery, branch.address, delivery_id))
        finally:
            self._room.release()

    async def _drain(self) -> None:
        await asyncio.gather(*self._tasks)

    async def _every_order(self, branch: Branch, turn: int) -> None:
        """Push four commits, then tell of them in one order after another; the models share the 24 orders."""
        for order in list(permutations(range(4)))[turn :: len(self.branches)]:
            for _ in range(4):
                self._push(branch)
            four, tasks = branch.moved[-4:], []
            for place in order:
                tasks.append(
                    asyncio.create_task(self._sender.deliver(Delivery(branch.model, four[place], "github"), branch.address))
                )
                await asyncio.sleep(GAP_SECONDS)
            self.deliveries += await asyncio.gather(*tasks)
            self.permutations += 1

    def told(self) -> tuple[Verdict, str]:
        """Give what was doubled or wrong, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
            runs = sum(len(ledger.line(branch.model).runs) for branch in self.branches)
        pushed = {branch.model: branch.moved for branch in self.branches}
        verdict = verdict_on(all_records(self.line.seen.log), partitions, self.deliveries, pushed, self.moved_at)
        statuses = [each.status for each in self.deliveries]
        figures = {
            "pushes": sum(len(moved) for moved in pushed.values()),
            "accepted": statuses.count(202),
            "ignored": statuses.count(200),
            "not_taken": sum(status not in (200, 202) for status in statuses),
            "orders": self.permutations,
            "runs": runs,
            "extra": len(verdict.extra),
            "wrong_heads": len(verdict.wrong),
            "untrue": len(verdict.untrue),
        }
        return verdict, report("duplicates", len(self.deliveries), len(verdict.lost), self.seed, **figures)


def _steps(chance: Random, pushes: int, times: int) -> list[tuple[int, bool]]:
    """Give pushes in their order and `times` deliveries of each at random places behind its push: half soon, half at any time."""
    placed = [(float(number), number, True) for number in range(pushes)]
    for number in range(pushes):
        for each in range(times):
            later = chance.expovariate(0.5) if each % 2 else chance.uniform(0, pushes - number)
            placed.append((number + 1e-9 + later, number, False))
    return [(number, is_push) for _, number, is_push in sorted(placed)]
