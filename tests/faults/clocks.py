"""Services whose clock can be set: each reads an offset from a file of its own, by libfaketime. Durations stay true."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import repositories
from tests.faults.asking import under_load
from tests.faults.evidence import all_records, report, seeded
from tests.faults.invariants import History, numbers_rise
from tests.faults.killing import verdict_on
from tests.faults.preloaded import compiled, faketime
from tests.faults.processes import STAGES, FaultLine, Wish
from tests.waiting import until

SERVICES = (*STAGES, "predictor")
DAY, HOUR = 86_400, 3_600
JUMPS = (DAY, -DAY, 2 * HOUR, -2 * HOUR)
SKEWED = "RequestTimeTooSkewed: the clock of this machine and the store's are too far apart"
NAMED_SECONDS, MENDED_SECONDS = 30.0, 60.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """One file a service, in this folder."""

    folder: Path

    def environ_of(self) -> dict[str, Mapping[str, str]]:
        self.folder.mkdir()
        return {name: self._environ(name) for name in SERVICES}

    @contextmanager
    def wrong(self, services: Sequence[str], seconds: int) -> Iterator[None]:
        """Let the clocks of running services jump, and jump back."""
        for name in services:
            self._set(name, seconds)
        try:
            yield
        finally:
            for name in services:
                self._set(name, 0)

    def _environ(self, name: str) -> dict[str, str]:
        self._set(name, 0)
        own = {
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / name),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return {"LD_PRELOAD": f"{compiled('cnd_timedwait', self.folder)}:{faketime()}", **own}

    def _set(self, name: str, seconds: int) -> None:
        """Lay the new file over the old one: a reader never finds it empty."""
        new = self.folder / f"{name}.new"
        new.write_text(f"{seconds:+d}")
        new.replace(self.folder / name)


@dataclass(frozen=True, slots=True)
class Jump:
    services: tuple[str, ...]
    seconds: int
    running: bool = False  # while a script runs, else before the push


def jumps(count: int, seed: int) -> list[Jump]:
    """Each service and all of them by each jump, before a push and while a script runs; drawn by chance."""
    every = [
        Jump(who, seconds, running)
        for who in (*((name,) for name in SERVICES), SERVICES)
        for seconds in JUMPS
        for running in (False, True)
    ]
    chance = seeded(seed)
    drawn: list[Jump] = []
    while len(drawn) < count:
        drawn += chance.sample(every, len(every))
    return drawn[:count]


def clocked(models: Mapping[str, str], python: Path, folder: Path) -> tuple[Wish, Clocks]:
    clocks = Clocks(folder / "clocks")
    return Wish(models, python, environ_of=clocks.environ_of()), clocks


@dataclass
class ClockCampaign:
    """Clocks jump, a run is pushed meanwhile; the skew is named, and once the clocks are right all of it goes on."""

    line: FaultLine
    clocks: Clocks
    model: str
    seed: int
    runs: list[str] = field(default_factory=list)
    named: int = 0
    errors: int = 0  # predictions that failed
    asked: int = 0
    wrong: list[str] = field(default_factory=list)

    def begin(self) -> None:
        run = self.line.push(self.model, 1.5)
        self.line.deployed(run)
        self.line.answers(self.model, run)
        self.runs.append(run)

    def deal(self, jump: Jump) -> None:
        try:
            with under_load([self.line.services["predictor"]], self.model, 1, 0.01) as load:
                run = self._jumped(jump)
                self.line.deployed(run, MENDED_SECONDS)
                self.line.answers(self.model, run, MENDED_SECONDS)
                self.line.all_ready(MENDED_SECONDS)
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"{jump}: {error}")
        self.asked += len(load.answers)
        self.errors += len(load.failures)
        self.wrong += [f"{jump}: {failure}" for failure in load.failures[:3]]

    def _jumped(self, jump: Jump) -> str:
        """Push while the clocks are wrong; a newer commit comes too, so that order is at stake."""
        factor = 2.0 + 2 * len(self.runs)
        if jump.running:
            run = self.line.push(self.model, factor, gated=True)
            self.line.waits_for_the_gate(run)
        with self.clocks.wrong(jump.services, jump.seconds):
            if jump.running:
                repositories.open_gates(self.line.services["trainer"].work)
            else:
                run = self.line.push(self.model, factor)
            name = self._names_the_skew(jump)
            self.named += bool(name)
        self.runs.append(run)
        return run

    def _names_the_skew(self, jump: Jump) -> str:
        """Wait until the first of these services that has to do with the store says what is wrong."""

        def found() -> str:
            return next((name for name in jump.services if SKEWED in self._said_by(name)), "")

        return until(found, NAMED_SECONDS, f"the skew named by {' or '.join(jump.services)}")

    def _said_by(self, name: str) -> str:
        """A predictor is ready as long as it serves: what it cannot load it tells the line."""
        if name != "predictor":
            return self.line.services[name].problem()
        with self.line.seen.tail.read() as ledger:
            return " ".join(entry.event.sentence for entry in ledger.line(self.model).served.values())

    def told(self) -> tuple[list[str], str]:
        records = all_records(self.line.seen.log)
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        lost, double = verdict_on(records, self.runs, partitions)
        older = numbers_rise(History(records, partitions))
        figures = {"double": len(double), "older_over_newer": len(older), "skew_named": self.named}
        figures |= {"predictions": self.asked, "prediction_errors": self.errors}
        sentences = [*self.wrong, *(f"lost: {run}" for run in lost), *(f"double: {run}" for run in double), *older]
        return sentences, report("clocks", len(self.runs) - 1, len(lost), self.seed, **figures)
