"""An answer as plain data: one cause, one sentence, what happened in order, and what a person can do."""

from dataclasses import dataclass
from typing import Any

from pushline.line.codec import Entry


@dataclass(frozen=True, slots=True)
class Fact:
    """One record, and what it says."""

    what: str
    at_ms: int  # the broker's time; informs
    topic: str
    partition: int
    offset: int
    who: str  # the person, else the sender

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Replica:
    """What a predictor said last."""

    name: str
    state: str
    deploy_seq: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`cause` is a name of causes.CAUSES. Empty fields: what is asked about is no run."""

    cause: str
    sentence: str
    facts: tuple[Fact, ...]
    next_steps: tuple[str, ...]
    model: str = ""
    commit: str = ""
    run_id: str = ""
    generation: int = 0
    attempt: int = 0
    outcome: str = ""
    reason: str = ""  # of the record that ended the run, as it stands there
    digest: str = ""
    replicas: tuple[Replica, ...] = ()
    since_ms: int = 0  # of an open run: the broker's time of the record since which it waits; 0 where that is not known


def fact(entry: Entry[Any], what: str, who: str = "") -> Fact:
    return Fact(what, entry.timestamp_ms, entry.topic, entry.partition, entry.offset, who or entry.source)
