"""Calls that came over gRPC, to their answers: at once where that is quick, those alike together, else in a lane or a thread."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from threading import Event
from typing import Any, Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from pushline.predictor import errors
from pushline.predictor.context import Aborted, Context
from pushline.predictor.grpc_api import status_of, trailing_metadata
from pushline.predictor.lanes import Lanes, Ticket
from pushline.predictor.predictions import Answer, Job
from pushline.predictor.tally import Tally
from pushline.predictor.wire import Call

READ_AT_ONCE_BYTES = 64 * 1024  # a larger message is read by a thread
THREADS = 2  # that read large messages, and answer what is no prediction
HEALTH = "/grpc.health."
STOPPING = "this replica is stopping; another one answers"

Reply = Callable[[Answer], bytes]


class Door(Protocol):
    """A protocol's way from the bytes of a request to a job, and from its answer to bytes."""

    def prepare(self, data: bytes) -> tuple[Job, Reply]:
        """Raises RequestError, DecodeError."""
        ...


@dataclass(slots=True)
class Asked:
    call: Call
    job: Job
    reply: Reply


class Calls:
    """`take` is for the loop of wire.py, and does not wait."""

    def __init__(self, lanes: Lanes, doors: Mapping[str, Door], tally: Tally) -> None:
        """`doors` by the path of their method; `handlers` has all others by the time that the first call comes."""
        self.handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self.closing = Event()
        self._lanes, self._predictions, self._doors, self._tally = lanes, lanes.predictions, doors, tally
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="grpc")

    def take(self, calls: list[Call]) -> None:
        quick: dict[tuple[object, ...], list[Asked]] = {}
        for call in calls:
            door = self._doors.get(call.method)
            if self.closing.is_set() and not call.method.startswith(HEALTH):
                self.refuse(call, grpc.StatusCode.UNAVAILABLE, STOPPING)
            elif not call.is_awaited:
                self.refuse(call, grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the work began")
            elif door is None:
                self._pool.submit(self._handle, call)
            elif len(call.data or b"") > READ_AT_ONCE_BYTES:
                call.watch()
                self._pool.submit(self._prepare, call, door)
            else:
                self._prepare(call, door, quick)
        for alike in quick.values():
            self._answer(alike)

    def refuse(self, call: Call, code: grpc.StatusCode, details: str) -> None:
        self._note(call, code)
        call.finish(None, code=code.value[0], details=details)

    def stop(self) -> None:
        self._pool.shutdown(wait=False)

    def _prepare(self, call: Call, door: Door, quick: dict[tuple[object, ...], list[Asked]] | None = None) -> None:
        """Put it to the others that are answered at once, or let it wait for its model."""
        try:
            job, reply = door.prepare(call.data or b"")
        except errors.RequestError as error:
            self._refuse(call, error)
            return
        except DecodeError:
            self.refuse(call, grpc.StatusCode.INVALID_ARGUMENT, f"the bytes are no request of {_name(call.method)}")
            return
        except Exception as defect:  # noqa: BLE001 - it costs this call its answer, and the log says why
            self._give_up(call, defect)
            return
        asked = Asked(call, job, reply)
        if quick is not None and self._predictions.is_quick(job):
            quick.setdefault(job.form, []).append(asked)
            return
        call.watch()
        try:
            self._lanes.submit(Ticket(job, partial(_is_awaited, call), partial(self._finish, asked)))
        except errors.RequestError as error:
            self._refuse(call, error)

    def _answer(self, alike: list[Asked]) -> None:
        """Answer requests of one form with as few runs as their batches take."""
        most = self._lanes.max_batch
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
            self._finish(asked, result)

    def _finish(self, asked: Asked, result: Answer | errors.RequestError | None) -> None:
        call = asked.call
        if isinstance(result, Answer):
            try:
                data = asked.reply(result)
            except errors.RequestError as error:
                self._refuse(call, error)
                return
            self._note(call, grpc.StatusCode.OK)
            call.finish(data, trailing_metadata(result.identity, result.stale))
        elif result is None:
            self.refuse(call, grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the work began")
        else:
            self._refuse(call, result)

    def _refuse(self, call: Call, error: errors.RequestError) -> None:
        code, details, trailing = status_of(error)
        self._note(call, code)
        call.finish(None, trailing, code.value[0], details)

    def _handle(self, call: Call) -> None:
        """Answer what is no prediction, as grpcio would."""
        context = Context(call)
        try:
            data = _handled(self.handlers[call.method], call.data or b"", context)
        except DecodeError:
            self.refuse(call, grpc.StatusCode.INVALID_ARGUMENT, f"the bytes are no request of {_name(call.method)}")
            return
        except Aborted:
            data = None
        except Exception as defect:  # noqa: BLE001 - it costs this call its answer, and the log says why
            self._give_up(call, defect)
            return
        self._note(call, context.status)
        call.finish(data, context.trailing, context.status.value[0], context.sentence)

    def _give_up(self, call: Call, defect: Exception) -> None:
        logging.getLogger(__name__).error("%s could not be answered", call.method, exc_info=defect)
        self.refuse(call, grpc.StatusCode.INTERNAL, "the call could not be answered; the predictor's log has the reason")

    def _note(self, call: Call, code: grpc.StatusCode) -> None:
        """Before it is finished, so that whoever has an answer finds it counted."""
        self._tally.note(_name(call.method), code.name, call.seconds)


def _handled(handler: "grpc.RpcMethodHandler[Any, Any]", data: bytes, context: Context) -> bytes:
    request = handler.request_deserializer(data) if handler.request_deserializer else data
    response = cast("Callable[[Any, grpc.ServicerContext], Any]", handler.unary_unary)(request, context)
    return handler.response_serializer(response) if handler.response_serializer else cast("bytes", response)


@cache
def _name(method: str) -> str:
    """What metrics call a method: by its last word, TensorFlow Serving's with its package in front."""
    service, _, name = method[1:].partition("/")
    return f"tensorflow/{name}" if service.startswith("tensorflow.") else name


def _is_awaited(call: Call) -> bool:
    return call.is_awaited
