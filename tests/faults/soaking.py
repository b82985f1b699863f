"""Faults drawn by chance, one after the other, beside pushes and predictions; then all is healed, and the invariants are asked."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from random import Random

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Said
from pushline.line.broker import LineError
from pushline.line.events import ModelDeployed
from pushline.line.ledger import ModelLine
from pushline.line.records import Message
from pushline.line.topics import TOPICS
from tests.faults import repositories
from tests.faults.askers import Asker, asking
from tests.faults.asking import ask
from tests.faults.clocks import DAY, Clocks
from tests.faults.evidence import Objects, all_records, copy_of, report, seeded
from tests.faults.invariants import History, broken
from tests.faults.poisoning import nonsense
from tests.faults.processes import STAGES, FaultLine
from tests.faults.residues import held, slope
from tests.faults.services import Service, frozen
from tests.waiting import until

PERSON = Person("a person of the soak", "to see what happens")
LONGEST_FREEZE_SECONDS, HEALED_SECONDS, REHINTS = 4.0, 120.0, 3
BAD_SHARE, REST_AFTER = 0.15, 12  # so many faults between two rests
SERVICES = (*STAGES, "predictor")


@dataclass
class Soak:
    line: FaultLine
    models: Sequence[str]
    seed: int
    clocks: Clocks | None = None
    spared: Sequence[str] = ()  # services that are neither killed nor frozen
    replicas: Sequence[Service] = ()
    calls_a_second: float = 20.0  # of each replica
    acknowledged: dict[str, str] = field(default_factory=dict)  # run → SHA
    good_shas: set[str] = field(default_factory=set)
    heads: dict[str, str] = field(default_factory=dict)  # by model
    right: dict[str, tuple[float, ...]] = field(default_factory=dict)
    dealt: Counter[str] = field(default_factory=Counter)
    excused: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    pushes: int = 0

    def begin(self) -> None:
        """Let each model have something that serves."""
        for model in self.models:
            self._push(model, good=True)
        self._heal()

    def play(self, seconds: float) -> None:
        """begin() is owed before."""
        self._chance = seeded(self.seed)
        self.askers = [
            Asker(service.child.service.name, service, self.models, self.calls_a_second, self.excused) for service in self._replicas
        ]
        self.began, self.idle = time.monotonic(), [held(self.line)]
        with asking(self.askers):
            while time.monotonic() - self.began < seconds and not self.wrong:
                self._deal(self._chance)
                if sum(self.dealt.values()) % REST_AFTER == 0:
                    self._rest()
            self._rest()

    @property
    def _replicas(self) -> list[Service]:
        return [self.line.services["predictor"], *self.replicas]

    def _deal(self, chance: Random) -> None:
        self._push(chance.choice(self.models), good=chance.random() > BAD_SHARE)
        name = chance.choice(sorted(FAULTS))
        self.dealt[name] += 1
        FAULTS[name](self, chance)

    def _rest(self) -> None:
        """Everything is back: wait until all work is done, and note what is held then."""
        try:
            self._heal()
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"after {dict(self.dealt)}: {error}")
            return
        self.idle.append(held(self.line))

    def _push(self, model: str, *, good: bool) -> None:
        self.pushes += 1
        factor = 1.0 + self.pushes
        files = repositories.good(factor) if good else repositories.bad(factor)
        digest = hashlib.sha256(files["weights"] if isinstance(files["weights"], bytes) else files["weights"].encode()).hexdigest()
        if good:
            self.right[digest] = tuple(factor * x for x in repositories.X[0][:3])
        sha = self.heads[model] = self.line.repositories[model].push(files, f"{factor}")
        if good:
            self.good_shas.add(sha)
        self._hint(model)

    def _hint(self, model: str) -> bool:
        sha = self.heads[model]
        try:
            status, answer = self.line.seen.hint(model, sha)
        except (OSError, HTTPException, ValueError):  # broken off; whoever did not get a 202 asks again
            return False
        if status == 202:
            self.acknowledged[str(answer["run_id"])] = sha
        return status == 202

    def _heal(self) -> None:
        for model in self.models:
            until(lambda name=model: self._hint(name), HEALED_SECONDS, f"202 for the head of {model}")  # type: ignore[misc]
        for model in self.models:
            until(lambda name=model: self._is_released(name), HEALED_SECONDS, f"the release of {model}")  # type: ignore[misc]
        self.line.all_ready(HEALED_SECONDS)
        until(self._is_quiet, HEALED_SECONDS, "the end of all work")
        for service in self._replicas:
            until(lambda each=service: not self._behind(each), HEALED_SECONDS, f"the newest of all on {service.child.service.name}")  # type: ignore[misc]

    def _is_released(self, model: str) -> bool:
        self._act(model, lambda line: _hold("release", line) if line.on_hold else None)
        with self.line.seen.tail.read() as ledger:
            return not ledger.line(model).on_hold

    def _is_quiet(self) -> bool:
        with self.line.seen.tail.read() as ledger:
            return all(run.outcome or run.stage == "held" for run in ledger.runs.values())

    def _behind(self, service: Service) -> list[str]:
        return [model for model, number in self._served(service).items() if number != self._newest(model)]

    def _served(self, service: Service) -> dict[str, int]:
        answers = {model: ask(service, model) for model in self.models}
        return {model: answer.deploy_seq if answer and not answer.stale else 0 for model, answer in answers.items()}

    def _newest(self, model: str) -> int:
        with self.line.seen.tail.read() as ledger:
            return ledger.line(model).deploy_seq

    def _act(self, model: str, make: Callable[[ModelLine], ModelDeployed | None]) -> None:
        """Do what a person does. A lost race, or a broker that is away, is told to a person, and not tried again."""
        with self.line.seen.tail.read() as ledger:
            try:
                event = make(ledger.line(model))
            except Said:
                return
        if event is not None:
            with suppress(LineError):
                self.line.writer.publish(event)

    def _append(self, message: Message) -> None:
        """Whether it got there does not matter."""
        with suppress(LineError):
            self.line.seen.log.append(message)

    # What can go wrong. Each leaves everything running again; what it started may still be under way.

    def kill(self, chance: Random) -> None:
        self._killed([chance.choice(self._victims)])

    def kill_two(self, chance: Random) -> None:
        self._killed(chance.sample([*self._victims, *self.line.servers], 2))

    def kill_server(self, chance: Random) -> None:
        self._killed([chance.choice(sorted(self.line.servers))])

    def _killed(self, names: Sequence[str]) -> None:
        with self._excuse(names):
            self.line.kill(names)
            self.line.start_again(names)

    def freeze(self, chance: Random) -> None:
        name = chance.choice(self._victims)
        with self._excuse([name]), self.line.services[name].frozen():
            self._wait(chance)

    def freeze_server(self, chance: Random) -> None:
        with frozen(self.line.servers[chance.choice(sorted(self.line.servers))].pid):
            self._wait(chance)

    def repeat_webhooks(self, chance: Random) -> None:
        for model in chance.choices(self.models, k=REHINTS):
            self._hint(model)

    def poison(self, chance: Random) -> None:
        for topic in TOPICS:
            value, headers = nonsense(chance)
            self._append(Message(topic.name, chance.choice(self.models).encode(), value, headers))

    def forge(self, chance: Random) -> None:
        """Records that are in the log already, once more: what they say is old by now."""
        records = [record for record in all_records(self.line.seen.log) if record.key]
        for record in chance.sample(records, min(10, len(records))):
            self._append(copy_of(record))

    def roll_back(self, chance: Random) -> None:
        self._act(chance.choice(self.models), lambda line: acts.rollback(line, acts.PREVIOUS, PERSON))

    def deploy_again(self, chance: Random) -> None:
        self._act(chance.choice(self.models), lambda line: acts.redeploy(line, acts.PREVIOUS, PERSON))

    def hold(self, chance: Random) -> None:
        self._act(chance.choice(self.models), lambda line: None if line.on_hold or not line.live else _hold("hold", line))

    def set_clock(self, chance: Random) -> None:
        if self.clocks is not None:
            with self.clocks.wrong([chance.choice(self._victims)], chance.choice((DAY, -DAY))):
                self._wait(chance)

    @property
    def _victims(self) -> list[str]:
        return [name for name in SERVICES if name not in self.spared]

    @contextmanager
    def _excuse(self, names: Sequence[str]) -> Iterator[None]:
        if "predictor" not in names:
            yield
            return
        self.excused.set()
        try:
            yield
            until(self._answers_again, HEALED_SECONDS, "answers of the predictor")
        finally:
            self.excused.clear()

    def _answers_again(self) -> bool:
        return all(ask(self.line.services["predictor"], model) is not None for model in self.models)

    def _wait(self, chance: Random) -> None:
        threading.Event().wait(chance.uniform(0.5, LONGEST_FREEZE_SECONDS))

    def history(self) -> History:
        records = all_records(self.line.seen.log)
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
            good = [run.run_id for run in ledger.runs.values() if run.commit.sha in self.good_shas]
        return History(
            records=records,
            partitions=partitions,
            acknowledged=self.acknowledged,
            good=good,
            answers=[answer for asker in self.askers for answer in asker.answers],
            right=self.right,
            objects=Objects(self.line.seen.store).of(self.models),
            converged=self._converged(),
            restarted_by_hand=[name for name, service in self.line.services.items() if service.child.ended],
            before=self.idle[0],
            after=self.idle[-1],
        )

    def _converged(self) -> Mapping[str, Mapping[str, int]]:
        served = {service.child.service.name: self._served(service) for service in self._replicas}
        return {model: {replica: numbers[model] for replica, numbers in served.items()} for model in self.models}

    def told(self, campaign: str) -> tuple[list[str], str]:
        history = self.history()
        found = broken(history)
        sentences = [*self.wrong, *(f"{name}: {sentence}" for name, each in found.items() for sentence in each[:5])]
        figures: dict[str, float | str] = {
            "seconds": round(time.monotonic() - self.began),
            "pushes": self.pushes,
            "acknowledged": len(self.acknowledged),
            "calls": sum(asker.calls for asker in self.askers),
            "failed_calls": sum(not answer.excused and bool(answer.failure) for answer in history.answers),
            "broken_invariants": ",".join(found) or "none",
            **slope(self.idle, (time.monotonic() - self.began) / 3600),
        }
        lost = len(found.get("INV1", [])) + len(found.get("INV9", [])) + len(self.wrong)
        return sentences, report(campaign, sum(self.dealt.values()), lost, self.seed, **figures)


def _hold(kind: str, line: ModelLine) -> ModelDeployed:
    """Give the record of a hold or release: the live run's fields and list."""
    newest = line.newest_deployed
    assert newest is not None
    numbered = replace(newest.event, kind=kind, deploy_seq=line.highest_deploy_seq + 1, previous=line.deploy_seq)
    told = replace(numbered, floor_generation=line.floor_generation, caused_by="", outcome="", sentence=kind)
    return replace(told, actor=PERSON.actor, reason=PERSON.reason)


FAULTS: Mapping[str, Callable[[Soak, Random], None]] = {
    "kill": Soak.kill,
    "kill_two": Soak.kill_two,
    "kill_server": Soak.kill_server,
    "freeze": Soak.freeze,
    "freeze_server": Soak.freeze_server,
    "repeat_webhooks": Soak.repeat_webhooks,
    "poison": Soak.poison,
    "forge": Soak.forge,
    "roll_back": Soak.roll_back,
    "deploy_again": Soak.deploy_again,
    "hold": Soak.hold,
    "set_clock": Soak.set_clock,
}
