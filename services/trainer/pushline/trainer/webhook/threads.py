"""Blocking work off the event loop, in daemon threads, a bounded number of them.

NOTE: not anyio's or asyncio's pools: the interpreter waits for their threads at exit, and a look may hang on a forge for minutes.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class TooManyThreads(Exception):
    """The limit is reached; most of them wait for something that hangs."""


class DaemonThreads:
    """Whoever stops waiting leaves its thread behind until the work ends; it counts until then."""

    def __init__(self, limit: int) -> None:
        self._free = threading.BoundedSemaphore(limit)

    async def run(self, work: Callable[[], T]) -> T:
        """Raises TooManyThreads, and whatever the work raises."""
        if not self._free.acquire(blocking=False):
            raise TooManyThreads
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        threading.Thread(target=self._do, args=(work, loop, future), name="webhook-look", daemon=True).start()
        return await future

    def _do(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop, future: asyncio.Future[T]) -> None:
        try:
            say = partial(future.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it is raised again, where it is waited for
            say = partial(future.set_exception, error)
        finally:
            self._free.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if future.done() else say())
