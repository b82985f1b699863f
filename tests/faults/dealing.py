"""The faults of the soak: each is dealt to a line that runs, and leaves everything running again."""

import threading
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
from tests.faults.asking import ask
from tests.faults.clocks import DAY, Clocks
from tests.faults.evidence import all_records, copy_of
from tests.faults.poisoning import nonsense
from tests.faults.processes import STAGES, FaultLine
from tests.faults.services import frozen
from tests.waiting import until

PERSON = Person("a person of the soak", "to see what happens")
LONGEST_FREEZE_SECONDS, ANSWERS_SECONDS, REHINTS, FORGED = 4.0, 120.0, 3, 10
SERVICES = (*STAGES, "predictor")


@dataclass
class Dealer:
    line: FaultLine
    models: Sequence[str]
    seed: int
    clocks: Clocks | None = None
    spared: Sequence[str] = ()  # services that are neither killed nor frozen
    acknowledged: dict[str, str] = field(default_factory=dict)  # run → SHA
    heads: dict[str, str] = field(default_factory=dict)  # by model
    dealt: Counter[str] = field(default_factory=Counter)
    excused: threading.Event = field(default_factory=threading.Event)  # set while the predictor is being killed or frozen

    def deal(self, chance: Random) -> None:
        name = chance.choice(sorted(FAULTS))
        self.dealt[name] += 1
        FAULTS[name](self, chance)

    def hint(self, model: str) -> bool:
        sha = self.heads[model]
        try:
            status, answer = self.line.seen.hint(model, sha)
        except (OSError, HTTPException, ValueError):  # broken off; whoever did not get a 202 asks again
            return False
        if status == 202:
            self.acknowledged[str(answer["run_id"])] = sha
        return status == 202

    def act(self, model: str, make: Callable[[ModelLine], ModelDeployed | None]) -> None:
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
            self.hint(model)

    def poison(self, chance: Random) -> None:
        for topic in TOPICS:
            value, headers = nonsense(chance)
            self._append(Message(topic.name, chance.choice(self.models).encode(), value, headers))

    def forge(self, chance: Random) -> None:
        """Records that are in the log already, once more: what they say is old by now."""
        records = [record for record in all_records(self.line.seen.log) if record.key]
        for record in chance.sample(records, min(FORGED, len(records))):
            self._append(copy_of(record))

    def roll_back(self, chance: Random) -> None:
        self.act(chance.choice(self.models), lambda line: acts.rollback(line, acts.PREVIOUS, PERSON))

    def deploy_again(self, chance: Random) -> None:
        self.act(chance.choice(self.models), lambda line: acts.redeploy(line, acts.PREVIOUS, PERSON))

    def hold(self, chance: Random) -> None:
        self.act(chance.choice(self.models), lambda line: None if line.on_hold or not line.live else held_record("hold", line))

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
            until(self._answers_again, ANSWERS_SECONDS, "answers of the predictor")
        finally:
            self.excused.clear()

    def _answers_again(self) -> bool:
        return all(ask(self.line.services["predictor"], model) is not None for model in self.models)

    def _wait(self, chance: Random) -> None:
        threading.Event().wait(chance.uniform(0.5, LONGEST_FREEZE_SECONDS))


def held_record(kind: str, line: ModelLine) -> ModelDeployed:
    """Give the record of a hold or release: the live run's fields and list."""
    newest = line.newest_deployed
    assert newest is not None
    numbered = replace(newest.event, kind=kind, deploy_seq=line.highest_deploy_seq + 1, previous=line.deploy_seq)
    told = replace(numbered, floor_generation=line.floor_generation, caused_by="", outcome="", sentence=kind)
    return replace(told, actor=PERSON.actor, reason=PERSON.reason)


FAULTS: Mapping[str, Callable[[Dealer, Random], None]] = {
    "kill": Dealer.kill,
    "kill_two": Dealer.kill_two,
    "kill_server": Dealer.kill_server,
    "freeze": Dealer.freeze,
    "freeze_server": Dealer.freeze_server,
    "repeat_webhooks": Dealer.repeat_webhooks,
    "poison": Dealer.poison,
    "forge": Dealer.forge,
    "roll_back": Dealer.roll_back,
    "deploy_again": Dealer.deploy_again,
    "hold": Dealer.hold,
    "set_clock": Dealer.set_clock,
}
