"""Exact points at which a service is killed: what a trap waits for, laid into the doors of the service before a push.

Every point says what must be true between the kill and the next start, as log and store show it: that it was this very point.
"""

import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from confluent_kafka import Consumer, TopicPartition

from pushline.line.topics import COMMIT, EVALUATED, TRAINED
from tests.faults.doored_place import Doors
from tests.faults.http_door import BEFORE, BEHIND, HttpTrap, Side
from tests.faults.kafka_door import JOIN_GROUP, OFFSET_COMMIT, PRODUCE, SYNC_GROUP, KafkaTrap
from tests.faults.processes import STAGES, FaultLine
from tests.faults.relay import Spring, Trap, kills, lets_pass
from tests.waiting import until

SAYS = {"trainer": ("commit", "trained"), "evaluator": ("evaluated",), "deployer": ("deployed",), "predictor": ("served",)}
HEARS = {"trainer": COMMIT, "evaluator": TRAINED, "deployer": EVALUATED}
WRITES = {"trainer": (r"models/{}/.*/model\.h5", r"runs/{}/.*/manifests/"), "evaluator": (r"runs/{}/.*/evaluation/",)}
READS = {
    "trainer": (r"models/{}/.*/model\.h5", r"runs/{}/.*/manifests/"),  # what it wrote, read back
    "evaluator": (r"models/{}/.*/program\.tflite", r"datasets/{}/", r"runs/{}/.*/manifests/"),
    "predictor": (r"models/{}/.*/program\.tflite", r"runs/{}/.*/manifests/"),
}


@dataclass(frozen=True)
class Trial:
    """One kill to come: of whom, while which commit of which model is under way."""

    line: FaultLine
    doors: Doors
    victim: str
    model: str
    sha: str
    chance: random.Random

    def kill(self) -> Spring:
        return kills(self.line.services[self.victim].pid)

    def said(self, spring: Spring, topic: str, *, answer: bool) -> KafkaTrap:
        """Give a trap for the Produce request that carries this commit's record on a topic."""
        words = (f"dev.pushline.{topic}.v1".encode(), self.sha.encode())
        return KafkaTrap(spring=spring, api=PRODUCE, words=words, answer=answer)

    def a_topic(self) -> str:
        return self.chance.choice(SAYS[self.victim])

    def in_log(self, topic: str) -> bool:
        self.line.seen.tail.catch_up(20)
        run = self.line.run_of(self.model, self.sha)
        return bool(run) and self.line.has(run, topic)

    def in_store(self, caught: str) -> bool:
        """Say whether the object of this request is there."""
        return self.line.seen.store.exists(unquote(caught.split()[1].removeprefix(f"/{self.line.seen.told['store']['bucket']}/")))


Proof = Callable[[], bool]
Laid = tuple[Trap, Proof]


@dataclass(frozen=True)
class Point:
    name: str
    victims: Sequence[str]
    lay: Callable[[Trial, ExitStack], Laid]  # what is laid is taken up again by the stack
    needs_newcomer: bool = False


def _said(*, answer: bool) -> Callable[[Trial, ExitStack], Laid]:
    def lay(trial: Trial, stack: ExitStack) -> Laid:
        topic = trial.a_topic()
        trap = trial.said(trial.kill(), topic, answer=answer)
        stack.enter_context(trial.doors.kafka[trial.victim].armed(trap))
        return trap, lambda: trial.in_log(topic) == answer

    return lay


def _offset(*, answer: bool) -> Callable[[Trial, ExitStack], Laid]:
    """The next commit of offsets after the broker has confirmed the record."""

    def lay(trial: Trial, stack: ExitStack) -> Laid:
        topic = SAYS[trial.victim][-1]
        confirmed = trial.said(lets_pass, topic, answer=True)
        trap = KafkaTrap(spring=trial.kill(), api=OFFSET_COMMIT, answer=answer, after=confirmed)
        stack.enter_context(trial.doors.kafka[trial.victim].armed(confirmed, trap))
        return trap, lambda: trial.in_log(topic)

    return lay


def _rebalance(trial: Trial, stack: ExitStack) -> Laid:
    trap = KafkaTrap(spring=trial.kill(), api=trial.chance.choice((JOIN_GROUP, SYNC_GROUP)))
    stack.enter_context(trial.doors.kafka[trial.victim].armed(trap))
    return trap, lambda: True


def _moved(method: str, side: Side, paths: dict[str, tuple[str, ...]], share: float | None) -> Callable[[Trial, ExitStack], Laid]:
    """`share` of the body, None: one by chance. An upload is there once the store has answered, and not before."""

    def lay(trial: Trial, stack: ExitStack) -> Laid:
        path = trial.chance.choice(paths[trial.victim]).format(re.escape(trial.model))
        at = trial.chance.uniform(0, 0.999) if share is None else share
        trap = HttpTrap(spring=trial.kill(), method=method, path=path, side=side, at_share=at)
        stack.enter_context(trial.doors.store[trial.victim].armed(trap))
        return trap, lambda: method == "GET" or trial.in_store(trap.caught) == (side == "answer")

    return lay


def _accepted(trial: Trial, stack: ExitStack) -> Laid:
    trap = HttpTrap(spring=trial.kill(), method="POST", path="/webhooks/", side="answer", at_share=BEFORE)
    stack.enter_context(trial.doors.webhook.armed(trap))
    return trap, lambda: trial.in_log("commit")


POINTS = (
    Point("uploaded, not told", tuple(WRITES), _moved("PUT", "answer", WRITES, BEFORE)),
    Point("half uploaded", tuple(WRITES), _moved("PUT", "request", WRITES, None)),
    Point("appended, not told", tuple(SAYS), _said(answer=True)),
    Point("not appended", tuple(SAYS), _said(answer=False)),
    Point("offset not committed", STAGES, _offset(answer=False)),
    Point("offset committed", STAGES, _offset(answer=True)),
    Point("mid-rebalance", STAGES, _rebalance, needs_newcomer=True),
    Point("accepted, 202 not delivered", ("trainer",), _accepted),
    Point("half downloaded", tuple(READS), _moved("GET", "answer", READS, None)),
    Point("downloaded", tuple(READS), _moved("GET", "answer", READS, BEHIND)),
)


@contextmanager
def newcomer(line: FaultLine, victim: str) -> Iterator[None]:
    """Join the victim's group, so that its partitions are to be divided anew; leave it at the end.

    Its session is short: the broker hears of its leave only once it has answered its join, which the killed one holds up.
    """
    told, stop = line.seen.told, threading.Event()
    member = Consumer(
        {
            "bootstrap.servers": told["kafka"],
            "group.id": f"{told['topic_prefix']}{victim}",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 2_000,
            "heartbeat.interval.ms": 500,
            "enable.auto.commit": False,
        }
    )

    def belong() -> None:
        member.subscribe([f"{told['topic_prefix']}{HEARS[victim].name}"], on_assign=_take)
        while not stop.wait(0.05):
            member.poll(0)
        member.close()

    joined = threading.Thread(target=belong, name="newcomer")
    joined.start()
    try:
        yield
    finally:
        stop.set()
        joined.join()


def _take(member: Consumer, assigned: list[TopicPartition]) -> None:
    member.incremental_assign(assigned)
    member.pause(assigned)


def come_by(trap: Trap, seconds: float, what: str) -> None:
    until(trap.sprung.is_set, seconds, what)
