"""Calls that came over gRPC, to their answers: at once where that is quick, those alike together, else in a lane or a thread."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from pushline.predictor import errors
from pushline.predictor.context import Aborted, Context
from pushline.predictor.grpc_api import status_of, trailing_metadata
from pushline.predictor.lanes import Lanes, Ticket
from pushline.predictor.predictions import QUICK_SECONDS, Answer, Job
from pushline.predictor.tally import Tally
from pushline.predictor.wire import Call, Metadata

READ_AT_ONCE_BYTES = 64 * 1024  # a larger message, unless it is known by its beginning, is read by a thread
AT_ONCE_SECONDS = 0.004  # what is answered on the loop before it looks for more; the rest waits in lanes
THREADS = 2  # that read large messages, and answer what is no prediction
MOST_CALLS = 1024  # with threads, that have not been answered
BUFFERED_MESSAGES = 8  # of the largest size: all large ones together
STOPPING = "this replica is stopping; another one answers"

Reply = Callable[[Answer], bytes]


class Door(Protocol):
    """A protocol's way from the bytes of a request to a job, and from its answer to bytes."""

    def prepare(self, data: bytes) -> tuple[Job, Reply]:
        """Raises RequestError, DecodeError."""
        ...

    def again(self, data: bytes) -> tuple[Job, Reply] | None:
        """Give the job of a request that is like one before, whatever its size in no time; None where it has to be read."""
        ...


class Room:
    """How many messages are with threads, and how much of them lies in memory. Safe from any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._inside: dict[Call, int] = {}
        self._lock = threading.Lock()

    def enter(self, call: Call, size: int) -> bool:
        """Say whether there was room."""
        with self._lock:
            if len(self._inside) >= MOST_CALLS or (size > READ_AT_ONCE_BYTES and self._bytes + size > self._most_bytes):
                return False
            self._inside[call] = size
            self._bytes += size
            return True

    def leave(self, call: Call) -> None:
        if call in self._inside:
            with self._lock:
                self._bytes -= self._inside.pop(call)


class Asked(NamedTuple):
    call: Call
    job: Job
    reply: Reply


Alike = dict[tuple[object, ...], list[Asked]]  # by form


class Calls:
    """`take` is for the loop of wire.py: it neither waits nor raises."""

    def __init__(self, lanes: Lanes, doors: Mapping[str, Door], tally: Tally, max_message_bytes: int) -> None:
        """`doors` by the path of their method; the others are there by the time that the first call comes."""
        self.handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]] = {}  # answered by a thread
        self.owners: Mapping[str, Callable[[Call], None]] = {}  # they finish the call themselves, and do not wait
        self.closing = threading.Event()
        self._lanes, self._predictions, self._doors, self._tally = lanes, lanes.predictions, doors, tally
        self._room = Room(BUFFERED_MESSAGES * max_message_bytes)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="grpc")
        self._seconds = 0.0  # that those take which are answered at once

    def take(self, calls: list[Call]) -> None:
        quick: Alike = {}
        self._seconds = 0.0
        for call in calls:
            self._safely(call, self._take, quick)
        for alike in quick.values():
            self._answer(alike)

    def refuse(self, call: Call, code: grpc.StatusCode, details: str) -> None:
        self.finish(call, code, details=details)

    def stop(self) -> None:
        self._pool.shutdown(wait=False)

    def _safely(self, call: Call, step: Callable[..., None], *arguments: object) -> None:
        """Take a step for a call. What is wrong with the request, or with the predictor, ends this call alone."""
        try:
            step(call, *arguments)
        except errors.RequestError as error:
            call.model = call.model or error.of_model
            code, details, trailing = status_of(error)
            self.finish(call, code, details=details, trailing=trailing)
        except DecodeError:
            self.refuse(call, grpc.StatusCode.INVALID_ARGUMENT, f"the bytes are no request of {_name(call.method)}")
        except Exception:  # a defect: it costs this call its answer, and the log says why
            logging.getLogger(__name__).exception("%s could not be answered", call.method)
            self.refuse(call, grpc.StatusCode.INTERNAL, "the call could not be answered; the predictor's log has the reason")

    def _take(self, call: Call, quick: Alike) -> None:
        door, size = self._doors.get(call.method), len(call.data)
        if call.method in self.owners:
            self.owners[call.method](call)
        elif self.closing.is_set():
            self.refuse(call, grpc.StatusCode.UNAVAILABLE, STOPPING)
        elif not call.is_awaited:
            self._drop(call)
        elif door is not None and size <= READ_AT_ONCE_BYTES:
            asked = _asked(call, door.prepare(call.data))
            if not self._is_taken(asked, quick):
                self._wait(asked)
        else:
            self._take_large(call, door, quick)

    def _take_large(self, call: Call, door: Door | None, quick: Alike) -> None:
        """What is no prediction is taken here, too."""
        known = None if door is None else door.again(call.data)
        asked = _asked(call, known) if known else None
        if asked is not None and self._is_taken(asked, quick):
            return
        if not self._room.enter(call, len(call.data)):
            if asked is not None:
                asked.job.slot.give_back(asked.job.held)
            self.refuse(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many messages, or too many bytes of them, are being read")
        elif asked is not None:
            self._wait(asked)
        elif door is not None:
            call.watch()
            self._pool.submit(self._safely, call, self._read, door)
        else:
            self._pool.submit(self._safely, call, self._handle)

    def _is_taken(self, asked: Asked, quick: Alike) -> bool:
        """Put it to those that are answered at once, if it is quick and they are not too many by now."""
        seconds = self._predictions.seconds(asked.job)
        if seconds > QUICK_SECONDS or self._seconds > AT_ONCE_SECONDS:
            return False
        self._seconds += seconds
        quick.setdefault(asked.job.form, []).append(asked)
        return True

    def _read(self, call: Call, door: Door) -> None:
        self._wait(_asked(call, door.prepare(call.data)))

    def _wait(self, asked: Asked) -> None:
        """Raises Overloaded."""
        call = asked.call
        call.watch()
        self._lanes.submit(Ticket(asked.job, lambda: call.is_awaited, partial(self._tell, asked)))

    def _answer(self, alike: list[Asked]) -> None:
        """Answer requests of one form with as few runs as their batches take."""
        most = self._lanes.max_batch(alike[0].job.model)
        batch: list[Asked] = []
        rows = 0
        for asked in alike:
            if batch and rows + asked.job.rows > most:
                self._answer_together(batch)
                batch, rows = [], 0
            batch.append(asked)
            rows += asked.job.rows
        self._answer_together(batch)

    def _answer_together(self, batch: list[Asked]) -> None:
        results = self._predictions.answer([asked.job for asked in batch])
        for asked, result in zip(batch, results, strict=True):
            self._tell(asked, result)

    def _tell(self, asked: Asked, result: Answer | errors.RequestError | None) -> None:
        self._safely(asked.call, self._reply, asked, result)

    def _reply(self, call: Call, asked: Asked, result: Answer | errors.RequestError | None) -> None:
        if result is None:
            self._drop(call)
        elif isinstance(result, errors.RequestError):
            raise result
        else:
            trailing = trailing_metadata(result.identity, result.stale)
            self.finish(call, grpc.StatusCode.OK, asked.reply(result), trailing)

    def _handle(self, call: Call) -> None:
        """Answer what is no prediction, as grpcio would."""
        context = Context(call)
        try:
            data = _handled(self.handlers[call.method], call.data, context)
        except Aborted:
            data = None
        self.finish(call, context.status, data, context.trailing, context.sentence)

    def _drop(self, call: Call) -> None:
        if call.is_cancelled:
            self.refuse(call, grpc.StatusCode.CANCELLED, "cancelled")
        else:
            self.refuse(call, grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the work began")

    def finish(
        self, call: Call, code: grpc.StatusCode, data: bytes | None = None, trailing: Metadata = (), details: str = ""
    ) -> None:
        """It is counted before it is finished, so that whoever has an answer finds it counted."""
        self._room.leave(call)
        self._tally.note(_name(call.method), code.name, call.seconds, call.model)
        call.finish(data, trailing, code.value[0], details)


def _asked(call: Call, known: tuple[Job, Reply]) -> Asked:
    job, reply = known
    call.model = job.model
    return Asked(call, job, reply)


def _handled(handler: "grpc.RpcMethodHandler[Any, Any]", data: bytes, context: Context) -> bytes:
    request = handler.request_deserializer(data) if handler.request_deserializer else data
    response = cast("Callable[[Any, grpc.ServicerContext], Any]", handler.unary_unary)(request, context)
    return handler.response_serializer(response) if handler.response_serializer else cast("bytes", response)


@cache
def _name(method: str) -> str:
    """What metrics call a method: by its last word, TensorFlow Serving's with its package in front."""
    service, _, name = method[1:].partition("/")
    return f"tensorflow/{name}" if service.startswith("tensorflow.") else name
