"""look(model): ask git where the branch stands and bring that into the log. Webhook, poller and `pushline emit` all end here.

Fold first, then ask: so a head is never older than the fold that it is compared with, and `previous` turns a look that was
overtaken into a record that does not count. Branch, repository and name come from the operator's file alone.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pushline.line.broker import AppendUnknown, BrokerUnavailable, MessageTooLarge
from pushline.line.codec import Entry, cut_message
from pushline.line.events import Commit, CommitPushed, Event
from pushline.line.ids import run_id
from pushline.line.ledger import ModelLine
from pushline.line.tail import Tail
from pushline.line.writer import Published
from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.checkout import CheckoutRefused, CommitInfo, ForgeUnavailable
from pushline.trainer.ports import Heads

CATCH_UP_SECONDS = 5.0
LAG_SECONDS = 5.0  # how long a forge may go back to an older answer
MOST_A_LOOK = 100  # commits that one look records under `every`; the next look goes on
ROUNDS = 10  # after which a branch that moves all the time is left to the next look


class LookFailed(Exception):
    """It is not known where the branch stands, or whether the log says so. A repeat is harmless."""


class Publisher(Protocol):
    def publish(self, event: Event) -> Published: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What git and the log agreed on. `newest` is None while the branch never had a commit."""

    head: str | None
    newest: Entry[CommitPushed] | None

    def counts(self, sha: str) -> bool:
        """Say whether this is the newest commit that the log knows."""
        return self.newest is not None and self.newest.event.commit.sha == sha


@dataclass(frozen=True, slots=True)
class _Fold:
    """What the log said before git was asked."""

    newest: Entry[CommitPushed] | None
    newest_generation: int
    highest_generation: int
    older: frozenset[str]

    @classmethod
    def of(cls, line: ModelLine) -> "_Fold":
        older = frozenset(push.event.commit.sha for push in line.pushes.values())
        return cls(line.newest_push, line.newest_generation, line.highest_generation, older)

    @property
    def sha(self) -> str:
        return self.newest.event.commit.sha if self.newest else ""


class Look:
    """One model's look. Calls one at a time: SharedLook sees to that."""

    def __init__(
        self,
        model: ModelConfig,
        heads: Heads,
        tail: Tail,
        writer: Publisher,
        stopping: threading.Event,
        lag_seconds: float = LAG_SECONDS,
    ) -> None:
        self._model, self._heads, self._tail, self._writer = model, heads, tail, writer
        self._stopping, self._lag_seconds = stopping, lag_seconds

    def __call__(self) -> Seen:
        """Look until git and the log agree. Raises LookFailed."""
        try:
            return self._agree()
        except BrokerUnavailable as error:
            raise LookFailed(f"broker: {error}") from None
        except ForgeUnavailable as error:
            raise LookFailed(f"forge: {error}") from None
        except (AppendUnknown, MessageTooLarge) as error:
            raise LookFailed(f"commit record: {error}") from None
        except OSError as error:
            raise LookFailed(f"work folder: {error}") from None

    def _agree(self) -> Seen:
        went_back_to: tuple[str, int] | None = None
        room = MOST_A_LOOK
        for _ in range(ROUNDS):
            fold = self._fold()
            head = self._heads.head(self._model.repository, self._model.branch)
            if head is None or head == fold.sha:
                return Seen(head, fold.newest)
            if head in fold.older and went_back_to != (head, fold.newest_generation):
                went_back_to = (head, fold.newest_generation)
                self._wait_for_the_forge()
                continue
            room -= self._record(self._commits(head, fold, room), fold)
            if room <= 0:
                raise LookFailed(f"look: {MOST_A_LOOK} commits of branch {self._model.branch} are recorded, and more follow")
        raise LookFailed(f"forge: branch {self._model.branch} does not stand still, or its head cannot be read")

    def _fold(self) -> _Fold:
        self._tail.catch_up(CATCH_UP_SECONDS)
        with self._tail.read() as ledger:
            line = ledger.line(self._model.name)
            parked = ledger.parked.get(line.partition)
            if parked:
                raise LookFailed(f"line: {parked}")
            return _Fold.of(line)

    def _wait_for_the_forge(self) -> None:
        """A forge may name an older head for a moment after a push; only one that it repeats is a force-push back."""
        if self._stopping.wait(self._lag_seconds):
            raise LookFailed("the trainer is stopping")

    def _commits(self, head: str, fold: _Fold, most: int) -> tuple[CommitInfo, ...]:
        """Give what to record, oldest first: the head, under `every` what came before it too. None where the branch moved on."""
        model = self._model
        try:
            if model.policy == "every" and fold.sha:
                found = self._heads.between(model.repository, model.branch, fold.sha, head, most)
                if found:
                    return found
            return (self._heads.describe(model.repository, model.branch, head),)
        except CheckoutRefused as error:
            # NOTE: what is too large to be fetched is a run all the same; its training comes to the same end, and says so.
            return (CommitInfo(head, "", ""),) if error.reason == "repo_limits" else ()

    def _record(self, commits: Sequence[CommitInfo], fold: _Fold) -> int:
        """Append them one by one and say how many count. Where another look was faster, the next round sees it."""
        for done, info in enumerate(commits):
            published = self._writer.publish(self._event(info, fold))
            if not published.counted:
                self._check_overtaken(fold, published)
                return done
            with self._tail.read() as ledger:
                fold = _Fold.of(ledger.line(self._model.name))
            if fold.sha != info.sha:
                return done + 1
        return len(commits)

    def _check_overtaken(self, fold: _Fold, published: Published) -> None:
        with self._tail.read() as ledger:
            if ledger.line(self._model.name).newest_generation == fold.newest_generation:
                raise LookFailed(f"commit record: {published.sentence or published.rule}")

    def _event(self, info: CommitInfo, fold: _Fold) -> CommitPushed:
        model, generation = self._model, fold.highest_generation + 1
        return CommitPushed(
            model=model.name,
            run_id=run_id(model.name, generation, 1, info.sha),
            generation=generation,
            attempt=1,
            commit=Commit(model.repository, model.ref, info.sha, fold.sha, info.author, cut_message(info.message)),
            caused_by="",
            previous=fold.newest_generation,
            actor="",
            reason="",
        )


class SharedLook:
    """Serves any number of callers with as few looks as can be: each gets one that began after it called."""

    def __init__(self, look: Callable[[], Seen]) -> None:
        self._look = look
        self._changed = threading.Condition()
        self._begun = self._ended = 0
        self._answer: Seen | str = ""

    def __call__(self) -> Seen:
        """Raises LookFailed."""
        with self._changed:
            wanted = self._begun + 1
            while self._begun != self._ended and self._ended < wanted:
                self._changed.wait()
            if self._ended >= wanted:
                return self._give()
            self._begun += 1
        return self._run()

    def _run(self) -> Seen:
        answer: Seen | str = "the look ended by a defect"
        try:
            answer = self._look()
        except LookFailed as error:
            answer = str(error)
        finally:
            with self._changed:
                self._answer, self._ended = answer, self._begun
                self._changed.notify_all()
        if isinstance(answer, str):
            raise LookFailed(answer)
        return answer

    def _give(self) -> Seen:
        if isinstance(self._answer, str):
            raise LookFailed(self._answer)
        return self._answer
