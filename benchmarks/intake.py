"""Webhooks acknowledged per second on one core, and how long one waits for its 202, with a real broker.

    python -m benchmarks.intake [--seconds 8] [--rounds 3] [--json FILE]

The trainer and every git process that it starts have one core to themselves; broker, git host and load share the others. Ten
models, told of as GitHub, GitLab and Gitea tell, in turn, over kept connections. Its place for trainings is taken by a script that
sleeps, so that no training is in these figures; runs that a newer push overtakes are closed meanwhile, as always.

* repeats: every webhook tells of the newest push of its model, which the log has already; 64 at a time, as fast as they are
  answered;
* held: 500 a second at fixed moments, whatever comes back, while each model is pushed to once a second: the time of each is from
  the moment at which it was due. 200 is the answer to a push that a newer one has overtaken;
* pushes: each model is pushed to, told of, and pushed to again once its 202 is there;
* bare: an ASGI application on the same HTTP server that verifies the HMAC and appends one record with acks=all, on the same core,
  in the same rounds; it looks at no git host and reads nothing back;
* a far git host: smart HTTP, each of whose answers takes 100 ms more.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from benchmarks import goals
from benchmarks.bare_intake import bare_intake
from benchmarks.line import at
from tests.faults.delivering import FORGES, Delivery, Sender, request_of
from tests.faults.intake_line import intake_line
from tests.faults.pushing import Branch
from tests.fixtures.trainer_intake.git_http import git_over_http

MODELS, IN_FLIGHT, RATE, FAR_SECONDS = 10, 64, 500, 0.1
PUSH_EVERY = RATE // MODELS  # webhooks to one push
ALONE = 3  # so many of the models, those that are pushed to next, are not told of
GOAL_RATE, GOAL_P99_SECONDS = 500.0, 0.1


@dataclass
class Series:
    """What one scenario came to, over its rounds."""

    rates: list[float] = field(default_factory=list)  # 202s a second
    seconds: list[float] = field(default_factory=list)  # of each 202
    statuses: Counter[int] = field(default_factory=Counter)
    cpu: float = 0.0  # seconds of processor time of the server, its git processes included

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 202:
            self.seconds.append(seconds)

    @property
    def row(self) -> str:
        p50, p99 = (1e3 * figure for figure in (statistics.median(self.seconds), at(self.seconds, 0.99)))
        others = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()) if status != 202) or "none"
        cpu = 1e3 * self.cpu / self.statuses[202]
        return f"{self.statuses[202]} | {statistics.median(self.rates):.0f} | {cpu:.2f} | {p50:.1f} | {p99:.1f} | {others}"


Next = Callable[[], bytes]


async def saturate(sender: Sender, following: Next, seconds: float, series: Series) -> None:
    """Keep so many requests in flight for that long."""
    loop = asyncio.get_running_loop()
    end, before = loop.time() + seconds, series.statuses[202]

    async def ask() -> None:
        while loop.time() < end:
            began = loop.time()
            status, _ = await sender.post(following())
            series.note(status, loop.time() - began)

    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    series.rates.append((series.statuses[202] - before) / seconds)


async def hold(sender: Sender, following: Next, rate: float, seconds: float, series: Series) -> None:
    """Ask at fixed moments, whatever comes back."""
    loop = asyncio.get_running_loop()
    began, before, tasks = loop.time(), series.statuses[202], list[asyncio.Task[None]]()

    async def ask(due: float, request: bytes) -> None:
        status, _ = await sender.post(request)
        series.note(status, loop.time() - due)

    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(due - loop.time())
        tasks.append(asyncio.create_task(ask(due, following())))
    await asyncio.gather(*tasks)
    series.rates.append((series.statuses[202] - before) / seconds)


async def push_and_tell(sender: Sender, branches: Sequence[Branch], seconds: float, series: Series) -> None:
    """Push, tell, wait for the 202, and again; all models side by side."""
    loop = asyncio.get_running_loop()
    end, before = loop.time() + seconds, series.statuses[202]

    async def go_on(branch: Branch) -> None:
        while loop.time() < end:
            request = request_of(Delivery(branch.model, branch.push(), "github"), branch.address)
            began = loop.time()
            status, _ = await sender.post(request)
            series.note(status, loop.time() - began)

    await asyncio.gather(*(go_on(branch) for branch in branches))
    series.rates.append((series.statuses[202] - before) / seconds)


def newest(branches: Sequence[Branch], push_every: int = 0) -> Next:
    """Give webhooks of the newest pushes, the models and forges in turn; with `push_every` a push in front of every so many.

    Nobody tells of a push that is about to be overtaken: each model is left alone for a while before it is pushed to.
    """
    forges, known, number = cycle(FORGES), dict[tuple[str, str, str], bytes](), 0

    def following() -> bytes:
        nonlocal number
        number += 1
        turn, since = divmod(number, push_every or 1)
        if push_every and since == 0:
            branches[turn % MODELS].push()
        left_alone = ALONE if push_every else 0
        branch, forge = branches[(turn + 1 + left_alone + number % (MODELS - left_alone)) % MODELS], next(forges)
        key = branch.model, branch.moved[-1], forge
        if key not in known:
            known[key] = request_of(Delivery(*key), branch.address)
        return known[key]

    return following


@contextmanager
def trainer(git_host: str = "", root: Path | None = None) -> Iterator[tuple[Callable[[], int], tuple[Branch, ...], int]]:
    """Give the port, the branches and the process of a trainer on the first core."""
    with intake_line(MODELS, 20_000, "1h", busy=True, git_host=git_host, folder=root) as (line, branches):
        service = line.services["trainer"]
        pin(service.pid)
        for branch in branches:
            branch.push()
        yield (lambda: service.child.ports["webhook"]), branches, service.pid


def pin(pid: int) -> None:
    """Put the process, with all that it starts from now on, on the first core; everything else is on the others already."""
    first = {min(os.sched_getaffinity(1))}
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), first)


def leave_the_first_core() -> None:
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {min(os.sched_getaffinity(1))})


def cpu_seconds(pid: int) -> float:
    """Give the processor time of the process and of the children that it has waited for."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Part:
    """A scenario, the process whose time it takes, and where that is noted."""

    run: Callable[[Series], Awaitable[None]]
    pid: int
    series: Series


async def in_turn(rounds: int, *parts: Part) -> None:
    for _ in range(rounds):
        for part in parts:
            before = cpu_seconds(part.pid)
            await part.run(part.series)
            part.series.cpu += cpu_seconds(part.pid) - before


def local(seconds: float, rounds: int) -> dict[str, Series]:
    names = ("repeats", "held", "pushes", "bare, saturated", "bare, held")
    series = {name: Series() for name in names}
    with trainer() as (port, branches, pid), bare_intake() as (bare_port, bare_request, bare_pid):
        pin(bare_pid)
        there, bare = Sender(port), Sender(lambda: bare_port)

        async def measure() -> None:
            await saturate(there, newest(branches), 2.0, Series())
            await in_turn(
                rounds,
                Part(lambda told: saturate(there, newest(branches), seconds, told), pid, series["repeats"]),
                Part(lambda told: saturate(bare, lambda: bare_request, seconds, told), bare_pid, series["bare, saturated"]),
                Part(lambda told: hold(there, newest(branches, PUSH_EVERY), RATE, seconds, told), pid, series["held"]),
                Part(lambda told: hold(bare, lambda: bare_request, RATE, seconds, told), bare_pid, series["bare, held"]),
                Part(lambda told: push_and_tell(there, branches, seconds, told), pid, series["pushes"]),
            )

        asyncio.run(measure())
    return series


def hosted(delay: float, seconds: float, rounds: int) -> dict[str, Series]:
    """Do the same over smart HTTP, each of whose answers comes so much later."""
    label = f"git host {1e3 * delay:.0f} ms away" if delay else "git host by HTTP"
    series = {f"{label}, {name}": Series() for name in ("repeats", "held", "pushes")}
    repeats, held, pushes = series.values()
    with TemporaryDirectory(prefix="pushline-host-") as name, git_over_http(Path(name) / "line") as host:
        host.asked = lambda _: sleep(delay)
        with trainer(f"http://127.0.0.1:{host.port}", Path(name)) as (port, branches, pid):
            there = Sender(port)

            async def measure() -> None:
                await saturate(there, newest(branches), 2.0, Series())
                await in_turn(
                    rounds,
                    Part(lambda told: saturate(there, newest(branches), seconds, told), pid, repeats),
                    Part(lambda told: hold(there, newest(branches, PUSH_EVERY * 4), RATE, seconds, told), pid, held),
                    Part(lambda told: push_and_tell(there, branches, seconds, told), pid, pushes),
                )

            asyncio.run(measure())
    return series


def table(series: dict[str, Series]) -> str:
    rows = ["### Webhooks acknowledged, trainer on one core, real broker", ""]
    rows += ["| what | 202s | a second | CPU ms a 202 | p50 ms | p99 ms | other answers |", "|---|---|---|---|---|---|---|"]
    rows += [f"| {name} | {each.row} |" for name, each in series.items() if each.seconds]
    return "\n".join(rows) + "\n"


def reached(series: dict[str, Series]) -> list[goals.Goal]:
    rate, p99 = statistics.median(series["repeats"].rates), 1e3 * at(series["held"].seconds, 0.99)
    return [
        goals.at_least("webhooks acknowledged a second on one core", GOAL_RATE, rate),
        goals.at_most(f"webhook → 202, p99 at {RATE} a second held", 1e3 * GOAL_P99_SECONDS, p99, "ms"),
    ]


def as_json(series: dict[str, Series]) -> str:
    held = series["held"]
    told = {"rate": statistics.median(held.rates), "p99_seconds": at(held.seconds, 0.99)}
    wanted = {"goal_rate": GOAL_RATE, "goal_p99_seconds": GOAL_P99_SECONDS}
    rows = {
        name: {"rates": each.rates, "statuses": {str(status): count for status, count in each.statuses.items()}}
        for name, each in series.items()
    }
    return json.dumps({"benchmark": "intake", **told, **wanted, "series": rows}, indent=1)


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.intake", description="Webhooks acknowledged per second on one core.")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each scenario in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--near", action="store_true", help="the local git host alone")
    parser.add_argument("--json", default="", help="file for the figures")
    arguments = parser.parse_args(words)
    leave_the_first_core()
    series = local(arguments.seconds, arguments.rounds)
    print(table(series))
    print(goals.table(reached(series)), flush=True)
    if not arguments.near:
        others = hosted(0.0, arguments.seconds, arguments.rounds) | hosted(FAR_SECONDS, arguments.seconds, arguments.rounds)
        print(table(others))
        series |= others
    if arguments.json:
        Path(arguments.json).write_text(as_json(series) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
