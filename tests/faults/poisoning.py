"""As many records that are no event as good ones, on every topic, in front of, between and behind them."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

from pushline.line.ledger import Ledger
from pushline.line.records import Message, Record
from pushline.line.topics import TOPICS
from tests.faults import repositories
from tests.faults.evidence import all_records, folded, report, seeded
from tests.faults.invariants import History, good_ones_done, one_outcome
from tests.faults.processes import FaultLine
from tests.waiting import until

CHUNK = 10  # commits of a model in one push; and so many bad records in a row at most, on a topic
RUN_SECONDS, LETTER_SECONDS, PARTITIONS = 120.0, 60.0, 4
DEAD = tuple(topic.dead_letters for topic in TOPICS)
Place = tuple[str, int, int]  # topic, partition, offset
EVERY = 'policy = "every"\n'  # of each model: nothing is superseded


def nonsense(chance: Random) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Give a value and headers that are no event: no JSON, no headers, too deep, or bytes drawn by chance."""
    head = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"dev.pushline.commit.v1"))
    return chance.choice(
        [
            (b"\x00\xff not JSON", ()),
            (b"{}", head[:1]),
            (b"[" * 5000, head),
            (os.urandom(chance.randint(1, 2000)), head),
            (b"", head),
        ]
    )


@dataclass
class PoisonCampaign:
    line: FaultLine
    models: Sequence[str]  # each with the policy `every`
    seed: int
    runs: dict[str, list[str]] = field(default_factory=dict)  # by model, in the order of the pushes
    bad: list[Place] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def play(self, runs: int) -> None:
        """Let so many runs through in all, chunk by chunk."""
        self._chance = seeded(self.seed)
        try:
            self._play(runs)
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(repr(error))

    def _play(self, runs: int) -> None:
        pushed = len(self.models)
        for model in self.models:  # the first push of a branch is its head alone, whatever the policy
            self._push(model, 1)
        while pushed < runs:
            size = min(CHUNK, max(1, (runs - pushed) // len(self.models)))
            for model in self.models:
                self._push(model, size)
            pushed += size * len(self.models)
            self._poisoned(size)

    def _push(self, model: str, size: int) -> None:
        repository, before = self.line.repositories[model], len(self.runs.setdefault(model, []))
        factors = [2.0 + before + number for number in range(size)]
        shas = [repository.commit(repositories.good(factor), f"times {factor}") for factor in factors]
        repository.git("push", "--quiet", "origin", "HEAD:main")
        until(lambda: self.line.seen.hint(model, shas[-1])[0] == HTTPStatus.ACCEPTED, RUN_SECONDS, f"202 for the head of {model}")
        self.runs[model] += self.line.seen.tail.wait_until(lambda ledger: _runs_of(ledger, model, shas), RUN_SECONDS)
        self.line.factors |= dict(zip(self.runs[model][-size:], factors, strict=True))

    def _poisoned(self, size: int) -> None:
        """Append a bad record to every topic for each run of this chunk that has ended, some of them before the first."""
        before = self._total - size * len(self.models)
        for number, model in enumerate([*self.models] * size):
            ended = before + max(0, number - len(self.models))
            until(lambda at_least=ended: self._ended() >= at_least, RUN_SECONDS, "the next outcome")  # type: ignore[misc]
            self._poison(model)
        until(lambda: self._ended() >= self._total, RUN_SECONDS, "the outcome of every run")

    @property
    def _total(self) -> int:
        return sum(map(len, self.runs.values()))

    def _ended(self) -> int:
        with self.line.seen.tail.read() as ledger:
            return sum(bool(ledger.runs[run].outcome) for own in self.runs.values() for run in own)

    def _poison(self, model: str) -> None:
        for topic in TOPICS:
            value, headers = nonsense(self._chance)
            record = self.line.seen.log.append(Message(topic.name, model.encode(), value, headers))
            self.bad.append((record.topic, record.partition, record.offset))

    def judge(self) -> None:
        """Wait for the last dead letter; then the head of every model has to answer."""
        try:
            until(lambda: len(self.letters()) >= len(self.bad), LETTER_SECONDS, "a dead letter for every bad record")
            for model, own in self.runs.items():
                if own:
                    self.line.answers(model, own[-1])
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(str(error))
        self.wrong += misplaced(self.bad, self.letters())
        records = all_records(self.line.seen.log)
        for model, own in self.runs.items():
            self.wrong += out_of_order(records, model, own)

    def letters(self) -> list[Place]:
        return [origin(record) for record in all_records(self.line.seen.log, DEAD)]

    def told(self) -> tuple[list[str], str]:
        records, every = all_records(self.line.seen.log), [run for own in self.runs.values() for run in own]
        history = History(records, PARTITIONS, good=every)
        lost = good_ones_done(history)
        double = [sentence for sentence in one_outcome(history) if not sentence.endswith(": no outcome")]  # those are lost
        figures = {"bad": len(self.bad), "bad_a_topic": len(self.bad) // len(TOPICS), "dead_letters": len(self.letters())}
        sentences = [*self.wrong, *lost, *double]
        return sentences, report("poison", len(every), len(lost), self.seed, double=len(double), **figures)


def _runs_of(ledger: Ledger, model: str, shas: Sequence[str]) -> list[str] | None:
    """Give their runs, in this order, once all of them are there."""
    known = {run.commit.sha: run.run_id for run in ledger.line(model).runs}
    return [known[sha] for sha in shas] if set(shas) <= set(known) else None


def origin(letter: Record) -> Place:
    headers = {name: (data or b"").decode(errors="replace") for name, data in letter.headers}
    return headers["_dlq.errors.topic"], int(headers["_dlq.errors.partition"]), int(headers["_dlq.errors.offset"])


def misplaced(bad: Sequence[Place], letters: Sequence[Place]) -> list[str]:
    """Say which bad records have no dead letter, or two, and which letters are of no bad record."""
    wanted, found = Counter(bad), Counter(letters)
    return [
        f"{place}: {found[place]} dead letters, not {wanted[place]}" for place in wanted | found if wanted[place] != found[place]
    ]


def out_of_order(records: Sequence[Record], model: str, runs: Sequence[str]) -> list[str]:
    """Say where a model's runs did not go live in the order of their pushes, or the last one did not.

    One between may be superseded: while it was judged, a newer one went live.
    """
    line = folded(records, PARTITIONS).line(model)
    promoted = [each.event.run_id for each in line.deployments if each.event.kind == "promote"]
    expected = [run for run in runs if run in promoted]
    return (
        []
        if promoted == expected and promoted[-1:] == list(runs[-1:])
        else [f"{model}: live in the order {promoted}, not {expected}"]
    )
