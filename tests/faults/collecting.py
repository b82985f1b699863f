"""`pushline gc --delete` beside a line at work, with next to no grace time; and the oracle, which reads log and store."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Said
from pushline.cli.stored import look
from pushline.cli.targets import servable
from pushline.line.events import ModelDeployed, Serving
from pushline.line.ledger import Ledger, ModelLine
from pushline.line.writer import Writer
from pushline.objects import keys, manifest
from pushline.objects.store import Store
from tests.faults.evidence import all_records, folded, report
from tests.faults.processes import FaultLine
from tests.servers import ENVIRON
from tests.waiting import until

ADA = Person("ada", "beside a sweep")
KEEP, KEEP_RUNS, GRACE = 2, 1, "1s"
OUTCOME_SECONDS = 90.0
FACTORS = (2.0, 3.0, 4.0, 5.0)  # few, so that what was removed is made once more, byte for byte


@dataclass
class Sweeper:
    """Runs the command again and again, as processes of their own."""

    line: FaultLine
    ended: threading.Event = field(default_factory=threading.Event)
    sweeps: int = 0
    removed: int = 0
    said: list[str] = field(default_factory=list)  # sentences of those that ended with an error

    def run(self) -> None:
        while not self.ended.is_set():
            self.sweep()

    def after_a_whole_sweep(self) -> None:
        """One that began after this call has ended."""
        wanted = self.sweeps + 2
        until(lambda: self.sweeps >= wanted, OUTCOME_SECONDS, "a sweep")

    def sweep(self) -> None:
        file = self.line.folder / "state" / "line.json"
        limits = ["--grace", GRACE, "--keep", str(KEEP), "--keep-runs", str(KEEP_RUNS)]
        words = [sys.executable, "-m", "pushline.cli", "gc", "--delete", "--json", "--line", str(file), *limits]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRON)
        self.sweeps += 1
        if done.returncode:
            self.said.append(done.stderr.strip())
        else:
            self.removed += sum(each["removed"] for each in json.loads(done.stdout)["garbage"])


@dataclass
class Collecting:
    line: FaultLine
    model: str
    chance: Random
    sweeper: Sweeper
    trials: int = 0
    refused: int = 0  # acts on what was past the retention
    wrong: list[str] = field(default_factory=list)

    def deal(self) -> None:
        """Push one, let it go live; now and then roll back or deploy again; and look whether all that is needed is there."""
        number, self.trials = self.trials, self.trials + 1
        try:
            self._push(number)
            if self.trials > KEEP and self.chance.random() < 0.6:
                self._act()
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"trial {number}: {error}")
        self.sweeper.after_a_whole_sweep()
        self.wrong += [f"trial {number}: {missing}" for missing in self.missing()]

    def _push(self, number: int) -> None:
        """What the last one was not: a push must change something."""
        factor = FACTORS[number % len(FACTORS)]
        run = self.line.push(self.model, factor)
        ended = self.line.seen.ended(run, OUTCOME_SECONDS)
        assert ended.outcome == "deployed" or ended.reason == "barred", f"{run} {ended.outcome} {ended.reason}: {ended.sentence}"

    def _act(self) -> None:
        kind = self.chance.choice(["rollback", "redeploy"])
        with self.line.seen.tail.read() as ledger:
            found = ledger.models[self.model]
            try:
                event = self._event(found, kind)
            except Said:
                return
        files = look(self.line.seen.store, self.model, event.serving[0])
        if files.problem:
            assert event.digest not in _promised(found), f"{kind} to what has to be kept: {files.problem}"
            self.refused += 1
            return
        Writer(self.line.seen.log, self.line.seen.tail, "test/person").publish(event)

    def _event(self, found: ModelLine, kind: str) -> ModelDeployed:
        if kind == "rollback":
            return acts.rollback(found, "previous", ADA)
        return acts.redeploy(found, servable(found, self.chance.choice(found.went_live)).digest, ADA)

    def missing(self) -> list[str]:
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        return missing(self.line.seen.store, folded(all_records(self.line.seen.log), partitions), self.model)

    def told(self, seed: int) -> str:
        figures = {"sweeps": self.sweeper.sweeps, "removed": self.sweeper.removed, "refused": self.refused}
        return report("garbage", self.trials, len(self.wrong) + len(self.sweeper.said), seed, **figures)


@contextmanager
def collecting(line: FaultLine, model: str, seed: int) -> Iterator[Collecting]:
    sweeper = Sweeper(line)
    thread = threading.Thread(target=sweeper.run)
    thread.start()
    try:
        yield Collecting(line, model, Random(seed), sweeper)  # noqa: S311 - chance that can be repeated
    finally:
        sweeper.ended.set()
        thread.join(60)


def missing(store: Store, ledger: Ledger, model: str) -> list[str]:
    """Give what is gone or wrong of the live model, the last ones that were live, and the newest run."""
    line = ledger.line(model)
    wanted: dict[str, str] = {}
    for serving in _promised(line).values():
        wanted |= dict(_of_serving(model, serving))
        wanted |= dict(_set_of(store, model, serving))
    for entry in line.runs[-1].evaluated.values() if line.runs else ():
        wanted[entry.event.report_key] = entry.event.report_sha256
    return [f"{key} {problem}" for key, digest in sorted(wanted.items()) if (problem := _problem(store, key, digest))]


def _promised(line: ModelLine) -> dict[str, Serving]:
    """By digest: the live one and the last that were, newest first."""
    found: dict[str, Serving] = {}
    for entry in reversed(line.deployments):
        for serving in entry.event.serving:
            if len(found) < KEEP:
                found.setdefault(serving.digest, serving)
    return found


def _of_serving(model: str, serving: Serving) -> Iterator[tuple[str, str]]:
    yield keys.manifest(model, serving.run_id, serving.manifest_sha256), serving.manifest_sha256
    for file in serving.files:
        yield keys.model_file(model, file.sha256, file.name), file.sha256


def _set_of(store: Store, model: str, serving: Serving) -> Iterator[tuple[str, str]]:
    key = keys.manifest(model, serving.run_id, serving.manifest_sha256)
    if store.exists(key):
        dataset = manifest.load(store.read_bytes(key)).dataset
        if dataset is not None:
            yield keys.dataset(model, dataset.sha256), dataset.sha256


def _problem(store: Store, key: str, digest: str) -> str:
    if not store.exists(key):
        return "is gone"
    return "" if hashlib.sha256(store.read_bytes(key)).hexdigest() == digest else "is something else"
