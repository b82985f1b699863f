"""Predictions over HTTP, whatever the body's protocol: within the limits, at once where that is quick, else in the model's lane.

It speaks ASGI itself, in front of the application that answers everything else: for a small model, routing and a thread cost more
than the prediction does.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

from pushline.predictor import encodings, errors
from pushline.predictor.lanes import Lanes, Ticket
from pushline.predictor.predictions import Answer, Job
from pushline.predictor.refused import Refused
from pushline.predictor.rest_room import Held, Receive, Room
from pushline.predictor.rest_told import Reply, Send, Told, error, head_of, refusal, say, written
from pushline.predictor.settings import DoorSettings
from pushline.predictor.tally import Tally
from pushline.runtime.known_heads import Ask

AT_ONCE_BYTES = 64 * 1024  # a larger body is read by a thread, a larger answer written by one
THREADS = 4
COPIES = 2  # of an unpacked body, while it is put together and read
CLIENT_LEFT = 499  # no client reads it; it is what the metrics say
BROKEN = "the request could not be answered; the log has the reason"

App = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


class Head(NamedTuple):
    model: str
    version: str
    headers: Mapping[bytes, bytes]  # names in small letters


Read = Callable[[bytes], tuple[Job, Reply]]
Again = Callable[[bytes], tuple[Job, Reply] | None]


class RestDoor(Protocol):
    """A protocol's way from a request to a job, and from its answer to a response."""

    @property
    def paths(self) -> re.Pattern[str]:
        """Has the groups model and version."""
        ...

    def begin(self, head: Head) -> Read:
        """Give what reads the body, in any thread; that raises RequestError. Raises Refused."""
        ...

    def again(self, head: Head) -> Again | None:
        """Give what reads a body that is like one before; that gives None where it is not, and has to be read the long way."""
        ...


class RestDoors:
    """An ASGI application. `others` answers what is no prediction."""

    def __init__(self, doors: Sequence[RestDoor], others: App, lanes: Lanes, settings: DoorSettings, tally: Tally) -> None:
        self._doors, self._others, self._lanes, self._predictions = doors, others, lanes, lanes.predictions
        self._room, self._tally, self._answer_seconds = Room(settings), tally, settings.rest.answer_seconds
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="rest")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        door, found = self._door_of(path)
        if door is None or found is None:
            return await self._others(scope, receive, send)
        if scope["method"] != "POST":
            return await say(send, error(405, f"{scope['method'][:20]} {path[:120]} is not here (405)", {"Allow": "POST"}))
        return await say(send, await self._counted(door, found, dict(scope["headers"]), receive))

    def _door_of(self, path: str) -> tuple[RestDoor | None, re.Match[str] | None]:
        for door in self._doors:
            found = door.paths.fullmatch(path)
            if found:
                return door, found
        return None, None

    def at_once(self, scope: Mapping[str, Any]) -> Ask | None:
        """Give what answers a body like one before, if that is quick: head without its end, and body. None, in either place: ask
        the usual way.
        """
        if scope["method"] != "POST":
            return None
        door, path = self._door_of(scope["path"])
        headers = dict(scope["headers"])
        if door is None or path is None or encodings.CONTENT_ENCODING in headers:
            return None
        again = door.again(Head(path["model"], path["version"] or "", headers))
        accepted = headers.get(encodings.ACCEPT_ENCODING, b"")
        return None if again is None else partial(self._told_at_once, again, self._named(path), accepted)

    def _named(self, path: re.Match[str]) -> str:
        """Give the model that is asked, "" where there is none of that name: who counts keeps no name that a caller made up."""
        model = path["model"]
        return model if self._predictions.models.knows(model) else ""

    def _told_at_once(self, again: Again, model: str, accepted: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        if len(body) > AT_ONCE_BYTES or self._room.is_full:
            return None
        began = time.perf_counter()
        try:
            told = self._again(again, accepted, body)
        except errors.RequestError as refused:
            told = refusal(refused)
        except Exception:  # a defect; the usual way answers
            logging.getLogger(__name__).exception("a request could not be answered at once")
            told = None
        if told is None:
            return None
        self._tally.note("rest", str(told.status), time.perf_counter() - began, model)
        return head_of(told.status, tuple(told.headers)), told.content

    def _again(self, again: Again, accepted: bytes, body: bytes) -> Told | None:
        """Raises RequestError."""
        found = again(body)
        if found is None:
            return None
        job, reply = found
        if not self._predictions.is_quick(job):
            job.slot.give_back(job.held)
            return None
        result = self._predictions.answer([job])[0]
        if isinstance(result, errors.RequestError):
            raise result
        return written(reply, result, accepted)

    async def _counted(self, door: RestDoor, found: re.Match[str], headers: dict[bytes, bytes], receive: Receive) -> Told:
        began = time.perf_counter()
        try:
            told = await self._answered(door, Head(found["model"], found["version"] or "", headers), receive)
        except Refused as refused:
            told = error(refused.status, refused.sentence, refused.headers)
        except errors.RequestError as refused:
            told = refusal(refused)
        except Exception:  # a defect: it costs this request its answer
            logging.getLogger(__name__).exception("a request to %s could not be answered", found.string[:120])
            told = error(500, BROKEN)
        self._tally.note("rest", str(told.status), time.perf_counter() - began, self._named(found))
        return told

    async def _answered(self, door: RestDoor, head: Head, receive: Receive) -> Told:
        """Raises Refused, RequestError. What a thread or a lane has begun counts until it ends, whoever waits for it; a client who
        is slow to send takes no place of others.
        """
        read = door.begin(head)
        held = Held(self._room)
        waiting = None
        try:
            coding = encodings.coding(head.headers.get(encodings.CONTENT_ENCODING, b""))
            body = await self._room.receive(receive, head.headers, held)
            self._room.enter(held)
            if coding or len(body) > AT_ONCE_BYTES:
                waiting = Waiting(held)
                self._pool.submit(self._hand_in, waiting, partial(_unpacked, read, body, coding, held))
            else:
                job, reply = read(body)
                if self._predictions.is_quick(job):
                    return await self._written(reply, self._predictions.answer([job])[0], head)
                waiting = Waiting(held)
                waiting.submit(self._lanes, job, reply)
        finally:
            if waiting is None:
                held.leave()
        return await self._written(*await self._awaited(waiting, receive), head)

    def _hand_in(self, waiting: "Waiting", read: Callable[[], tuple[Job, Reply]]) -> None:
        """Runs in a thread."""
        try:
            waiting.submit(self._lanes, *read())
        except (errors.RequestError, Refused) as refused:
            waiting.fail(refused)
        except Exception:  # a defect: who waits has to be told
            logging.getLogger(__name__).exception("a request could not be read")
            waiting.fail(Refused(500, BROKEN))

    async def _awaited(self, waiting: "Waiting", receive: Receive) -> tuple[Reply, Answer | errors.RequestError]:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            both: set[asyncio.Future[Any]] = {waiting.future, gone}
            await asyncio.wait(both, timeout=self._answer_seconds, return_when=asyncio.FIRST_COMPLETED)
            if waiting.future.done():
                return waiting.future.result()
            if gone.done():
                raise Refused(CLIENT_LEFT, "the client left")
            raise Refused(504, f"there was no answer within {self._answer_seconds:g} seconds")
        finally:
            gone.cancel()
            waiting.future.cancel()

    async def _written(self, reply: Reply, result: Answer | errors.RequestError, head: Head) -> Told:
        if isinstance(result, errors.RequestError):
            raise result
        write = partial(written, reply, result, head.headers.get(encodings.ACCEPT_ENCODING, b""))
        if sum([array.nbytes for array in result.outputs.values()]) <= AT_ONCE_BYTES:
            return write()
        return await asyncio.get_running_loop().run_in_executor(self._pool, write)


class Waiting:
    """A request whose answer another thread has to give. It leaves the room when that ends."""

    def __init__(self, held: Held) -> None:
        self._loop, self._held = asyncio.get_running_loop(), held
        self.future: asyncio.Future[tuple[Reply, Answer | errors.RequestError]] = self._loop.create_future()

    def submit(self, lanes: Lanes, job: Job, reply: Reply) -> None:
        """Raises Overloaded."""
        try:
            lanes.submit(Ticket(job, self._is_awaited, partial(self._done, reply)))
        except errors.Overloaded:
            self._held.leave()
            raise

    def fail(self, refused: Exception) -> None:
        """NOTE: where it was raised, and what from, would hold the body until the collector comes by."""
        refused.__traceback__ = refused.__context__ = None
        self._held.leave()
        self._tell(partial(self._settle, refused))

    def _is_awaited(self) -> bool:
        return not self.future.done()

    def _done(self, reply: Reply, result: Answer | errors.RequestError | None) -> None:
        self._held.leave()
        if result is not None:
            self._tell(partial(self._settle, (reply, result)))

    def _tell(self, settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle)

    def _settle(self, result: tuple[Reply, Answer | errors.RequestError] | Exception) -> None:
        if self.future.done():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


def _unpacked(read: Read, body: bytes, coding: bytes, held: Held) -> tuple[Job, Reply]:
    if coding:
        body = encodings.unpack(body, coding, held.count_unpacked())
        held.hold(COPIES * len(body))
    return read(body)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
