"""Two people at one model at one moment, each a process of its own; and the oracle, which reads the log and what each was told."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pushline.cli.line_of_sight import OpenLine
from pushline.line.codec import decode
from pushline.line.events import CommitPushed, Event, ModelDeployed
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects.minio_store import MinioStore
from tests.faults.evidence import report
from tests.faults.places import Place
from tests.fixtures.garbage import StoredStory
from tests.servers import ENVIRON

NAMES = ("ada", "bob")


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said to the person who gave it."""

    actor: str
    reason: str  # of this trial alone, so that its record can be told
    words: tuple[str, ...]
    code: int
    said: str


@dataclass
class Operators:
    story: StoredStory
    log: KafkaLog
    children: dict[str, subprocess.Popen[str]]
    chance: Random
    told: list[Told] = field(default_factory=list)
    trials: int = 0

    def deal(self) -> None:
        """Move the line on, then let both act at once."""
        word = f"{self.story.model}-{self.trials}"
        self._move_on(word)
        orders = {name: self._order(name) for name in NAMES}
        for name, words in orders.items():
            self._tell(name, json.dumps(words))
        first = {name: self._hear(name) for name in NAMES}  # an answer where it was refused, else that it has decided
        deciding = [name for name in NAMES if "decided" in first[name]]
        for name in deciding:
            self._tell(name, "write")
        for name, words in orders.items():
            answer = self._hear(name) if name in deciding else first[name]
            said = answer["out"] + answer["err"]
            self.told.append(Told(name, f"trial {self.trials} of {name}", tuple(words), answer["code"], said))
        self.trials += 1
        self.story.tail.catch_up(30)

    def _tell(self, name: str, line: str) -> None:
        pipe = self.children[name].stdin
        assert pipe is not None
        pipe.write(line + "\n")
        pipe.flush()

    def _hear(self, name: str) -> dict[str, Any]:
        pipe = self.children[name].stdout
        assert pipe is not None
        answer: dict[str, Any] = json.loads(pipe.readline())
        return answer

    def _move_on(self, word: str) -> None:
        if not self.story.line().on_hold and (self.trials < 3 or self.chance.random() < 0.3):
            self.story.promote(word)
        elif self.chance.random() < 0.3:
            self.story.push(word)
            self.story.train(word)
            self.story.judge(word, "inconclusive")

    def _order(self, name: str) -> list[str]:
        line = self.story.line()
        standing = "release" if line.on_hold else "hold"
        kind = self.chance.choice(["rollback", "rollback", "redeploy", "redeploy", "promote", "rerun", standing, standing])
        run = self.chance.choice([run for run in line.runs if run.evaluated])
        to, this = ["--to", run.commit.sha], [run.run_id]
        named = {"rollback": to, "redeploy": to, "promote": this, "rerun": this}
        words = [kind, *named.get(kind, []), "--model", line.name, "--actor", name, "--reason", f"trial {self.trials} of {name}"]
        return [*words, "--json"]


@contextmanager
def operators(place: Place, model: str, seed: int) -> Iterator[Operators]:
    environ = {
        **ENVIRON,
        "PUSHLINE_KAFKA": place.kafka,
        "PUSHLINE_TOPIC_PREFIX": place.topic_prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in place.kafka_options.items()),
        "PUSHLINE_S3_ENDPOINT": place.store.endpoint,
        "PUSHLINE_S3_BUCKET": place.store.bucket,
        "PUSHLINE_S3_ACCESS_KEY": place.store.access_key,
        "PUSHLINE_S3_SECRET_KEY": place.store.secret_key,
        "PUSHLINE_S3_REGION": place.store.region,
    }
    environ.pop("PUSHLINE_LINE", None)
    at = place.store
    with ExitStack() as stack:
        log = KafkaLog(place.kafka, place.topic_prefix, place.kafka_options)
        stack.callback(log.close)
        tail = Tail(log, TOPIC_NAMES)
        tail.start()
        stack.callback(tail.stop)
        tail.catch_up(30)
        store = MinioStore(at.endpoint, at.bucket, at.access_key, at.secret_key, at.region)
        children = {name: stack.enter_context(_operator(environ)) for name in NAMES}
        story = StoredStory(model, OpenLine(log, tail, store))
        stack.enter_context(_a_replica(story))
        yield Operators(story, log, children, Random(seed))  # noqa: S311 - repeatable


@contextmanager
def _a_replica(story: StoredStory) -> Iterator[None]:
    """Say that each deployment is served, so that nobody waits for it in vain."""
    ended = threading.Event()

    def newer(ledger: Ledger) -> int | None:
        line = ledger.line(story.model)
        known = line.served.get("replica")
        return line.deploy_seq if line.deploy_seq > (known.event.deploy_seq if known else 0) else None

    def follow() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                story.tail.wait_until(newer, 0.2)
                story.serve("replica")

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


@contextmanager
def _operator(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.faults.operator_process"]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def verdict_on(records: Sequence[Record], told: Sequence[Told], partitions: int) -> tuple[list[str], int]:
    """Give what is wrong, in sentences, and how many times both wrote after the same record, so that one had to lose.

    A person whose record counts was told 0; one whose record does not, or who wrote none, was told another code and a sentence, and
    who lost a race the name and reason of the winner. Whatever they did, one record follows each number.
    """
    ledger = Ledger(partitions)
    judged: dict[tuple[str, str], list[tuple[Event, bool]]] = {}
    for record in records:
        counts = ledger.fold(record)[0].verdict == "valid"
        event = decode(record).event
        if isinstance(event, CommitPushed | ModelDeployed) and event.actor:
            judged.setdefault((event.actor, event.reason), []).append((event, counts))
    wrong = [sentence for each in told for sentence in _wrong_with(each, judged.get((each.actor, each.reason), []))]
    races = 0
    for ada, bob in zip(told[::2], told[1::2], strict=True):
        both = [judged.get((each.actor, each.reason), []) for each in (ada, bob)]
        if all(both) and _same_place(both[0][0][0], both[1][0][0]):
            races += 1
            wrong += _wrong_race(ada, bob, [counts for ((_, counts),) in both])
    return wrong, races


def _wrong_with(told: Told, own: Sequence[tuple[Event, bool]]) -> Iterator[str]:
    what = f"{told.actor}, {told.reason}, {' '.join(told.words[:3])}"
    counted = [event for event, counts in own if counts]
    if len(own) > 1:
        yield f"{what}: {len(own)} records"
    if (told.code == 0) != bool(counted):
        yield f"{what}: told {told.code}, and {len(counted)} records of it count: {told.said.strip()}"
    if told.code and not told.said.strip():
        yield f"{what}: told {told.code} and nothing else"


def _same_place(first: Event, second: Event) -> bool:
    """Both were to follow the same record: numbers of `deployed`, or the attempts of one push."""
    if isinstance(first, ModelDeployed) and isinstance(second, ModelDeployed):
        return first.previous == second.previous
    if isinstance(first, CommitPushed) and isinstance(second, CommitPushed):
        return (first.generation, first.attempt) == (second.generation, second.attempt)
    return False


def _wrong_race(ada: Told, bob: Told, counts: Sequence[bool]) -> Iterator[str]:
    if sum(counts) != 1:
        yield f"{ada.reason} and {bob.reason}: {sum(counts)} records after one number count"
        return
    winner, loser = (ada, bob) if counts[0] else (bob, ada)
    if f"{winner.actor} was faster" not in loser.said or winner.reason not in loser.said:
        yield f"{loser.actor}, {loser.reason}: was not told that {winner.actor} was faster ({winner.reason}): {loser.said.strip()}"


def line_of(campaign: Operators, wrong: Sequence[str], races: int, seed: int) -> str:
    won = sum(each.code == 0 for each in campaign.told)
    return report("operators", campaign.trials, len(wrong), seed, races=races, acts=len(campaign.told), done=won)
