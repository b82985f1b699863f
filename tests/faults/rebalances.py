"""Trainings that last far longer than a poll interval, while members of the trainers' group come and go: none is begun again."""

import signal
import time
from dataclasses import dataclass, field

from pushline.line.ids import partition_of
from pushline.objects import keys
from tests.faults import repositories
from tests.faults.evidence import all_records, events_of, report, seeded
from tests.faults.members import is_settled, owners
from tests.faults.processes import FaultLine
from tests.waiting import until

PARTITIONS = 4
POLL_OPTIONS = "max.poll.interval.ms=10000"
SETTLED_SECONDS = 60.0
STAYS = 0.6  # of its share of the time: long enough that it would begin the trainings again, were their progress not seen
ONCE = {"CommitPushed": 1, "ModelTrained": 1, "ModelEvaluated": 1, "promote": 1}


def one_model_a_partition(prefix: str) -> tuple[str, ...]:
    names = (f"{prefix}-{number}" for number in range(1000))
    found: dict[int, str] = {}
    for name in names:
        found.setdefault(partition_of(name.encode(), PARTITIONS), name)
        if len(found) == PARTITIONS:
            break
    return tuple(found.values())


@dataclass
class Campaign:
    """One training in each partition. So whoever joins takes partitions in which a training runs elsewhere."""

    line: FaultLine
    models: tuple[str, ...]
    seed: int
    moved: int = 0  # times that a partition with a running training belonged to another member
    changes: int = 0
    wrong: list[str] = field(default_factory=list)

    def run(self, seconds: float, changes: int) -> None:
        """Train for that long at least, add a member and take it away again that often."""
        chance = seeded(self.seed)
        self.runs: dict[str, str] = {
            self.line.push(model, 2.0 + number, gated=True): model for number, model in enumerate(self.models)
        }
        for run in self.runs:
            self.line.waits_for_the_gate(run)
        began = time.monotonic()
        for number in range(changes):
            self._come_and_go(number, chance.choice((signal.SIGTERM, signal.SIGKILL)), STAYS * seconds / changes)
            self.changes += 2
        until(lambda: time.monotonic() - began >= seconds, seconds + 1, "the time of a long training")
        self.trained_seconds = time.monotonic() - began
        repositories.open_gates(self.line.services["trainer"].work)
        for run, model in self.runs.items():
            self._ends_once(run, model)

    def _come_and_go(self, number: int, goes_by: int, stays_seconds: float) -> None:
        name = f"member-{self.seed}-{number}"
        member = self.line.another(name, "trainer", PUSHLINE_REPLICA="" if number % 2 else name)
        until(lambda: is_settled(self.line, "trainer", 2, PARTITIONS), SETTLED_SECONDS, f"{name} to have its share")
        self.moved += sum(len(share) for who, share in owners(self.line, "trainer").items() if who != "trainer-0")
        time.sleep(stays_seconds)
        member.ask_to_stop(goes_by)
        assert member.child.wait(30)
        until(lambda: is_settled(self.line, "trainer", 1, PARTITIONS), SETTLED_SECONDS, f"the share of {name} to come back")
        del self.line.services[name]

    def _ends_once(self, run: str, model: str) -> None:
        try:
            self.line.deployed(run, 120)
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"{model}: {error}")
        found = dict(events_of(all_records(self.line.seen.log), run))
        found.pop("ModelServed", None)
        if found != ONCE:
            self.wrong.append(f"{model}: records {found}")
        tries = tries_of(self.line, model, run)
        if len(tries) != 1:
            self.wrong.append(f"{model}: tries {sorted(tries)}")

    def told(self) -> str:
        figures = {
            "changes": self.changes,
            "partitions_moved": self.moved,
            "poll_interval_s": 10,
            "trained_s": round(self.trained_seconds),
            "restarts": sum(len(tries_of(self.line, model, run)) - 1 for run, model in self.runs.items()),
        }
        return report("rebalances", len(self.runs), len(self.wrong), self.seed, **figures)


def tries_of(line: FaultLine, model: str, run: str) -> set[str]:
    prefix = keys.tries(model, run)
    return {key.removeprefix(prefix).partition("/")[0] for key in line.seen.store.list(prefix)}
