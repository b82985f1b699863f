"""Webhooks at a steady rate while broker and trainer are killed at random moments: nothing that was answered 202 may be lost."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

from tests.faults.accepting import Verdict, come_to_rest, verdict_on
from tests.faults.delivering import FORGES, Delivery, Sender, Told
from tests.faults.evidence import all_records, report, seeded
from tests.faults.processes import FaultLine
from tests.faults.pushing import Branch
from tests.waiting import until

PACE_SECONDS = (0.2, 5.0)  # from one recovery to the next blow
IN_RECOVERY = 0.25  # so often the next blow does not wait for the recovery
RECOVERED_SECONDS, IDLE_SECONDS = 120.0, 180.0
AGAIN = 5


@dataclass
class Pusher:
    """Pushes to the models in turn and tells the trainer, `rate` times a second, until it is to stop; in a thread of its own."""

    line: FaultLine
    branches: Sequence[Branch]
    rate: float
    told: list[Told] = field(default_factory=list)
    pushes: int = 0
    _enough: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="pusher")
        self._thread.start()

    def stop(self) -> None:
        """Push no more, and wait until every delivery is answered or given up."""
        self._enough.set()
        self._thread.join()

    async def _run(self) -> None:
        sender, loop, tasks = Sender(lambda: self.line.services["trainer"].child.ports["webhook"]), asyncio.get_running_loop(), []
        began, forges = loop.time(), cycle(FORGES)
        for branch in cycle(self.branches):
            if self._enough.is_set() or branch.is_spent:
                break
            delivery = Delivery(branch.model, branch.push(), next(forges), AGAIN if self.pushes % 2 else 0)
            self.pushes += 1
            tasks.append(asyncio.create_task(sender.deliver(delivery, branch.address)))
            await asyncio.sleep(began + self.pushes / self.rate - loop.time())
        self.told = list(await asyncio.gather(*tasks))
        sender.close()


@dataclass
class Campaign:
    """Deals the blows. What is lost is counted by the log and by what senders were answered, not by what the trainer says."""

    line: FaultLine
    branches: Sequence[Branch]
    seed: int
    rate: float = 20.0
    outages: list[tuple[float, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, broker_kills: int, trainer_kills: int, least_pushes: int) -> None:
        chance = seeded(self.seed)
        blows = ["broker"] * broker_kills + ["trainer"] * trainer_kills
        chance.shuffle(blows)
        self.kills = len(blows)
        self.pusher = Pusher(self.line, self.branches, self.rate)
        self.pusher.start()
        try:
            for victim in blows:
                time.sleep(chance.uniform(*PACE_SECONDS))
                self._strike(victim, waits=chance.random() > IN_RECOVERY)
            self.line.all_ready(RECOVERED_SECONDS)
            until(lambda: self.pusher.pushes >= least_pushes, least_pushes / self.rate + IDLE_SECONDS, "the pushes")
        finally:
            self.pusher.stop()
        try:
            come_to_rest(self.line, {branch.model: branch.moved for branch in self.branches})
        except AssertionError as error:
            self.wrong.append(str(error))

    def _strike(self, victim: str, *, waits: bool) -> None:
        began = time.monotonic()
        self.line.kill((victim,))
        self.line.start_again((victim,))
        if waits:
            self.line.all_ready(RECOVERED_SECONDS)
        self.outages.append((began, time.monotonic()))

    def told(self) -> tuple[Verdict, str]:
        """Give what was lost, doubled or wrong, and the campaign's line."""
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        records, told = all_records(self.line.seen.log), self.pusher.told
        verdict = verdict_on(records, partitions, told, {branch.model: branch.moved for branch in self.branches})
        lost = len(verdict.lost) + len(self.wrong)
        taken = sorted(each.seconds for each in told if each.status == 202 and not self._meets_an_outage(each))
        accepted = sum(each.status == 202 for each in told)
        figures = {
            "pushes": self.pusher.pushes,
            "ignored": sum(each.status == 200 for each in told),
            "not_taken": sum(each.status not in (200, 202) for each in told),
            "attempts": sum(each.attempts for each in told),
            "kills": self.kills,
            "extra": len(verdict.extra),
            "wrong_heads": len(verdict.wrong),
            "p50_202_ms": round(1e3 * taken[len(taken) // 2]) if taken else "none",
            "p99_202_ms": round(1e3 * taken[int(0.99 * (len(taken) - 1))]) if taken else "none",
        }
        return verdict, report("webhooks", accepted, lost, self.seed, **figures)

    def _meets_an_outage(self, each: Told) -> bool:
        return any(began <= each.ended and each.begun <= ended for began, ended in self.outages)
