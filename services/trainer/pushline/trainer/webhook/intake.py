"""What a hint is answered with: 202 only once the log holds the commit, 200 where it is not the head, 503 where nobody can say."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pushline.line.codec import Entry
from pushline.line.events import CommitPushed
from pushline.trainer.look import LAG_SECONDS, LookFailed, Seen
from pushline.trainer.webhook.forms import Hint
from pushline.trainer.webhook.turns import Turns

RETRY_AFTER_SECONDS = 10
MOST_A_MODEL = 128  # hints under way: those of one whose forge hangs leave room for the others


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, str | int]
    headers: dict[str, str] = field(default_factory=dict)


class Intake:
    """For one event loop; end() may come from anywhere."""

    def __init__(self, looks: Mapping[str, Callable[[], Seen]], lag_seconds: float = LAG_SECONDS) -> None:
        self._looks = {model: Turns(model, look) for model, look in looks.items()}
        self._under_way = dict.fromkeys(looks, 0)
        self._lag_seconds = lag_seconds
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, hint: Hint) -> Answer:
        self._loop = asyncio.get_running_loop()
        if self._under_way[hint.model] >= MOST_A_MODEL:
            return busy()
        self._under_way[hint.model] += 1
        try:
            return await self._answer(hint)
        except LookFailed as error:
            return unknown(str(error))
        finally:
            self._under_way[hint.model] -= 1

    async def _answer(self, hint: Hint) -> Answer:
        look = self._looks[hint.model]
        seen = await look()
        if not seen.counts(hint.sha):
            await self._wait_for_the_forge()
            seen = await look()
        if seen.newest is None or not seen.counts(hint.sha):
            return ignored("not_head", "This commit is not the head of the branch.")
        return accepted(seen.newest)

    def end(self) -> None:
        """Let nobody wait any longer for a forge that may lag behind."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._ended.set)

    async def _wait_for_the_forge(self) -> None:
        """The forge may tell us of a push before it shows it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lag_seconds):
                await self._ended.wait()


def accepted(push: Entry[CommitPushed]) -> Answer:
    event = push.event
    body: dict[str, str | int] = {"status": "accepted", "model": event.model, "sha": event.commit.sha, "run_id": event.run_id}
    return Answer(202, body | {"generation": event.generation, "event_id": push.id})


def ignored(reason: str, sentence: str) -> Answer:
    return Answer(200, {"status": "ignored", "reason": reason, "sentence": sentence})


def unknown(error: str) -> Answer:
    return Answer(503, {"status": "unknown", "error": error}, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def refused(status: int, error: str) -> Answer:
    return Answer(status, {"status": "refused", "error": error})


def busy() -> Answer:
    return Answer(503, {"status": "unknown", "error": "too many requests at once"}, {"Retry-After": "1"})


def worst(answers: Sequence[Answer]) -> Answer:
    """What a delivery that told of several branches is answered with: unknown if one is, else the first that was accepted."""
    return max(answers, key=lambda answer: answer.status)
