"""Writes what is to stand at one model's forge, in a thread of its own, so that one forge in trouble keeps no other waiting.

Several replicas share the models: only the owner of a model's partition writes. Who was frozen or killed in the middle of a call
may write once more all the same; so every comment is looked for before it is made and after it, and of two the older one stays.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pushline.auditor.forge.plan import FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS, Plan, Step
from pushline.auditor.forge.ports import Comment, Forge, Limited, NoPlace, Refused, Reports, StoreAway, Trouble
from pushline.auditor.forge.text import comment_of, digest_in, marker, status_of
from pushline.auditor.forge.word import Word
from pushline.runtime.forge_config import ForgeConfig

ASK_AGAIN_SECONDS = 0.5  # what is to be written, while the line is not well

Words = Callable[[], Mapping[str, Word] | None]
"""What is to stand at the forge; None where another replica writes. Raises LineNotWell."""


class LineNotWell(Exception):
    """What is known may be old: nothing is written."""


class DeskReport(Protocol):
    """Hears what happens, for logs and metrics. Called from several threads."""

    def done(self, step: Step, outcome: str, seconds: float) -> None:
        """`outcome` is empty where all stood as it should."""
        ...

    def waits(self, step: Step, problem: str, outcome: str) -> None: ...

    def gave_up(self, step: Step, problem: str) -> None: ...

    def defect(self, step: Step, error: BaseException) -> None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """Of which model what is written, and with what."""

    model: str
    config: ForgeConfig
    reports: Reports
    page: Callable[[str], str]  # run → address of its page, empty where none is known

    @property
    def whats(self) -> tuple[str, ...]:
        return tuple(what for what, wanted in (("status", self.config.status), ("comment", self.config.comment)) if wanted)


class Desk:
    """start(), wake() after every change of the fold, stop(). `problem` is empty, or says what is not at the forge and why."""

    def __init__(self, task: Task, forge: Forge, words: Words, report: DeskReport) -> None:
        self._task, self._forge, self._words, self._report = task, forge, words, report
        self._plan = Plan(task.whats)
        self._new_forge: Forge | None = None
        self._back_off = FIRST_BACK_OFF_SECONDS
        self._rest_until = 0.0
        self._waits = self._refused = ""
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"forge-{task.model}", daemon=True)

    @property
    def config(self) -> ForgeConfig:
        return self._task.config

    @property
    def waiting(self) -> int:
        return self._plan.due

    @property
    def problem(self) -> str:
        refused = f"{self._plan.refused} refused, the last: {self._refused}" if self._plan.refused else ""
        return "; ".join(filter(None, (self._waits, refused)))

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread.ident is None:
            self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, timeout_seconds: float) -> None:
        """Begin nothing more. A call in flight is not waited for longer: what it did is found at the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def use(self, task: Task, forge: Forge) -> None:
        """Go on with another token, or other wishes for the same project; what was refused is tried again."""
        self._task, self._new_forge = task, forge
        self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._turn()
            self._wake.wait(pause)
            self._wake.clear()
        self._forge.close()

    def _turn(self) -> float | None:
        """Do one thing, if there is one. Gives the seconds until there may be more; None: until somebody calls."""
        self._take_new_forge()
        try:
            words = self._words()
        except LineNotWell:
            self._stop.wait(ASK_AGAIN_SECONDS)  # and not for every record that is folded meanwhile
            return 0.0
        if words is None:
            self._plan, self._waits = Plan(self._task.whats), ""
            return None
        now = time.monotonic()
        self._plan.see(words, now)
        if now < self._rest_until:
            return self._rest_until - now
        step = self._plan.next(now)
        if step is None:
            at = self._plan.next_at()
            return None if at is None else max(at - now, 0.0)
        self._do(step)
        return 0.0

    def _take_new_forge(self) -> None:
        forge, self._new_forge = self._new_forge, None
        if forge is None:
            return
        self._forge.close()
        self._forge, self._rest_until, self._waits = forge, 0.0, ""
        self._plan = self._plan.with_whats(self._task.whats)
        self._plan.retry_refused()

    def _do(self, step: Step) -> None:
        try:
            outcome = {"status": self._status, "comment": self._comment, "ask": self._ask}[step.what](step)
        except Limited as error:
            self._rest(step, str(error), "limited", error.seconds)
        except Trouble as error:
            self._rest(step, str(error), "trouble", self._back_off if error.everywhere else 0.0)
        except StoreAway as error:
            self._rest(step, str(error), "store")
        except Refused as error:
            self._refused, self._waits = str(error), ""
            self._plan.settle(step, refused=True, of_rights=error.of_rights)
            self._report.gave_up(step, str(error))
        except Exception as error:  # noqa: BLE001 - a defect is told and tried again: a desk that ended would look well
            self._report.defect(step, error)
            self._rest(step, f"defect: {error!r}", "defect", self._back_off)
        else:
            self._waits, self._back_off = "", FIRST_BACK_OFF_SECONDS
            self._report.done(step, outcome, time.monotonic() - step.since)

    def _rest(self, step: Step, problem: str, outcome: str, seconds: float = 0.0) -> None:
        """Leave this for later; and every other call too, for some seconds."""
        now = time.monotonic()
        self._waits, self._rest_until = problem, now + seconds
        if seconds:
            self._back_off = min(2 * self._back_off, LONGEST_BACK_OFF_SECONDS)
        self._plan.in_vain(step, now)
        self._report.waits(step, problem, outcome)

    def _status(self, step: Step) -> str:
        word = step.word
        self._forge.say(word.sha, status_of(word, self._task.page(word.run_id), self._forge.longest_description))
        self._plan.settle(step)
        return "written"

    def _ask(self, step: Step) -> str:
        """Ask whether the forge was told of an ended commit, and whether what it was told still holds."""
        word, stands = step.word, None
        if self._task.config.status:
            status = status_of(word, self._task.page(word.run_id), self._forge.longest_description)
            stands = self._forge.stands(word.sha, status)
        else:
            with suppress(NoPlace):
                stands = True if self._forge.comments(word.sha, marker(self._task.model, word.sha)) else None
        self._plan.answered(step, stands, time.monotonic())
        return ""

    def _comment(self, step: Step) -> str:
        word, outcome = step.word, ""
        if word.has_news or word.again:
            with suppress(NoPlace):
                found = self._forge.comments(word.sha, marker(self._task.model, word.sha))
                if found or word.has_news:
                    outcome = self._keep_one(word, found)
        self._plan.settle(step)
        return outcome

    def _keep_one(self, word: Word, found: Sequence[Comment]) -> str:
        mark, body, outcome = marker(self._task.model, word.sha), self._body(word), ""
        if not found:
            self._plan.look_again(word.sha, time.monotonic())
            self._forge.comment(word.sha, body)
            found, outcome = self._forge.comments(word.sha, mark), "written"
        for each in found[:1]:
            if digest_in(each.body, mark) != digest_in(body, mark):
                self._forge.edit(word.sha, each, body)
                outcome = "written"
        for each in found[1:]:
            self._forge.remove(word.sha, each)
        return "removed a second one" if found[1:] else outcome

    def _body(self, word: Word) -> str:
        url = self._task.page(word.run_id)
        report = self._task.reports.text(word.verdict, {"Run": url} if url else {}) if word.verdict is not None else ""
        return comment_of(self._task.model, word, report, url, self._forge.longest_comment)
