"""Looks for an event loop: any number of coroutines wait, one daemon thread a model looks.

NOTE: not anyio's or asyncio's pools: the interpreter waits for their threads at exit, and a look may hang on a forge for minutes.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from pushline.trainer.look import LookFailed, Seen

Answer = Seen | BaseException
Turn = asyncio.Future[Answer]


class Turns:
    """Gives everybody the answer of a look that began after they asked. Whoever stops waiting leaves the look to the others."""

    def __init__(self, model: str, look: Callable[[], Seen]) -> None:
        self._model, self._look = model, look
        self._given: SimpleQueue[tuple[asyncio.AbstractEventLoop, Turn]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._next: Turn | None = None  # what those who ask now wait for
        self._is_looking = False

    async def __call__(self) -> Seen:
        """Raises LookFailed."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.create_future()
        mine = self._next
        if not self._is_looking:
            self._begin(loop)
        answer = await asyncio.shield(mine)
        if isinstance(answer, LookFailed):
            raise LookFailed(str(answer))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._next = self._next, None
        self._is_looking = turn is not None
        if turn is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"look-{self._model}", daemon=True)
            self._thread.start()
        self._given.put((loop, turn))

    def _run(self) -> None:
        while True:
            loop, turn = self._given.get()
            try:
                answer: Answer = self._look()
            except BaseException as error:  # noqa: BLE001 - it is raised again, where it is waited for
                answer = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._end, loop, turn, answer)

    def _end(self, loop: asyncio.AbstractEventLoop, turn: Turn, answer: Answer) -> None:
        if not turn.done():
            turn.set_result(answer)
        self._begin(loop)
