"""What a reader knows of a model and of its runs. Changed by the fold alone."""

import math
from dataclasses import dataclass, field
from typing import Any

from pushline.line.codec import Entry
from pushline.line.events import (
    NOTHING_LIVE,
    Commit,
    CommitPushed,
    Event,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ledger.bad_rows import BadRowsImage

Rank = tuple[int, float]  # (generation, attempt); the order of runs


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one record: valid | invalid | kept | undecodable | newer | parked; letter on a dead-letter topic."""

    place: tuple[str, int, int]  # topic, partition, offset
    entry: Entry[Event] | None
    verdict: str
    rule: str  # the rule that an invalid record breaks, else empty
    sentence: str
    in_a_row: int = 0  # of an undecodable one: how many there are by now without a decodable one between


@dataclass(frozen=True, slots=True)
class Image:
    """A ledger as plain data: the valid records in the order in which they were found valid, and what does not follow from them."""

    partitions: int
    valid: tuple[Entry[Event], ...]
    kept: tuple[Entry[Event], ...]
    numbers: tuple[tuple[str, int, int, int], ...]  # model; highest generation, deploy_seq, deploy_seq of a `served` that were read
    parked: tuple[tuple[str, int, str], ...]  # topic, partition, why
    counts: tuple[tuple[str, str, int], ...]  # topic, verdict
    broken_rules: tuple[tuple[str, str, int], ...]  # topic, rule
    bad_rows: BadRowsImage


@dataclass(slots=True)
class Run:
    """One training of one commit, and how far it came."""

    push: Entry[CommitPushed]  # the commit record that opened it: a push or a rerun
    line: "ModelLine" = field(repr=False)
    trained: Entry[ModelTrained] | None = None
    evaluated: dict[str, Entry[ModelEvaluated]] = field(default_factory=dict)  # by baseline_digest

    @property
    def run_id(self) -> str:
        return self.push.event.run_id

    @property
    def model(self) -> str:
        return self.push.event.model

    @property
    def generation(self) -> int:
        return self.push.event.generation

    @property
    def attempt(self) -> int:
        return self.push.event.attempt

    @property
    def commit(self) -> Commit:
        return self.push.event.commit

    @property
    def rank(self) -> Rank:
        return (self.generation, self.attempt)

    @property
    def slot(self) -> Entry[ModelDeployed] | None:
        """The first promote or close of the run."""
        return self.line.slots.get(self.run_id)

    @property
    def verdict(self) -> Entry[ModelEvaluated] | None:
        """The verdict against what is live now."""
        return self.evaluated.get(self.line.live_digest)

    @property
    def outcome(self) -> str:
        """Empty while the run is open, else deployed | rejected | failed | superseded. It never changes."""
        ended = self._ended_by
        return ended.event.outcome if ended else ""

    @property
    def stage(self) -> str:
        """Say where it is: training | evaluating | deciding | held, or the outcome."""
        if self.outcome:
            return self.outcome
        if self.trained is None:
            return "training"
        if self.verdict is None:
            return "evaluating"
        return "held" if self.line.on_hold and self.verdict.event.verdict == "accepted" else "deciding"

    @property
    def reason(self) -> str:
        told = self._told_by
        return told.event.reason if told else ""

    @property
    def sentence(self) -> str:
        told = self._told_by
        return told.event.sentence if told else ""

    @property
    def _ended_by(self) -> Entry[ModelTrained] | Entry[ModelDeployed] | None:
        """Its slot ends no run before its training is read: on another topic that may yet say `failed`, and outcomes stand."""
        if self.trained is None or self.trained.event.outcome != "succeeded":
            return self.trained
        return self.slot

    @property
    def _told_by(self) -> Entry[Any] | None:
        return self._ended_by or self.verdict


@dataclass(slots=True)
class ModelLine:
    """Everything the log says about one model."""

    name: str
    partition: int
    pushes: dict[int, Entry[CommitPushed]] = field(default_factory=dict)  # by generation, rising
    attempts: dict[int, int] = field(default_factory=dict)  # highest valid attempt, by generation
    highest_generation: int = 0  # read anywhere, kept and invalid records too
    runs: list[Run] = field(default_factory=list)  # by (generation, attempt)
    deployments: list[Entry[ModelDeployed]] = field(default_factory=list)  # valid ones in log order, closes included
    newest_deployed: Entry[ModelDeployed] | None = None  # newest valid one that is no close
    highest_deploy_seq: int = 0  # read anywhere, kept and invalid records too
    highest_served_seq: int = 0  # named by any `served`
    slots: dict[str, Entry[ModelDeployed]] = field(default_factory=dict)  # by run_id
    live: tuple[Serving, ...] = ()
    went_live: list[str] = field(default_factory=list)  # digests, in log order
    floor_generation: int = 0
    promoted: Rank = (0, 0)  # highest ever promoted
    on_hold: bool = False
    barred: set[str] = field(default_factory=set)
    served: dict[str, Entry[ModelServed]] = field(default_factory=dict)  # newest valid one a replica

    @property
    def newest_generation(self) -> int:
        return next(reversed(self.pushes), 0)

    @property
    def newest_push(self) -> Entry[CommitPushed] | None:
        return self.pushes.get(self.newest_generation)

    @property
    def deploy_seq(self) -> int:
        return self.newest_deployed.event.deploy_seq if self.newest_deployed else 0

    @property
    def live_digest(self) -> str:
        return self.live[0].digest if self.live else NOTHING_LIVE

    @property
    def fence(self) -> Rank:
        """Nothing at or below it goes live by itself: the highest ever promoted or, if higher, all of a rollback's floor."""
        return max(self.promoted, (self.floor_generation, math.inf if self.floor_generation else 0))

    @property
    def behind_served(self) -> bool:
        """A replica serves a number that this log does not know: an older backup was restored. Nothing is deployed by itself."""
        return self.highest_served_seq > self.deploy_seq
