"""What is told over HTTP: answers and refusals, each with its status and headers."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from pushline.predictor import encodings, errors
from pushline.predictor.grpc_api import trailing_metadata
from pushline.predictor.predictions import Answer
from pushline.predictor.rest_room import RETRY
from pushline.predictor.serving import Identity

STATUSES: dict[type[errors.RequestError], int] = {
    errors.BadRequest: 400,
    errors.NotFiniteInput: 400,
    errors.UnknownModel: 404,
    errors.UnknownVersion: 404,
    errors.NothingDeployed: 503,
    errors.ModelUnavailable: 503,
    errors.TooLarge: 413,
    errors.NotFinite: 400,
    errors.Overloaded: 429,
    errors.MetadataOff: 403,
    errors.ModelFailed: 500,
}
KEPT = 512  # headers of answers
JSON = (b"content-type", b"application/json")

Header = tuple[bytes, bytes]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Told(NamedTuple):
    status: int
    headers: Sequence[Header]
    content: bytes


Reply = Callable[[Answer], Told]


async def say(send: Send, told: Told) -> None:
    headers = [*told.headers, (b"content-length", b"%d" % len(told.content))]
    await send({"type": "http.response.start", "status": told.status, "headers": headers})
    await send({"type": "http.response.body", "body": told.content})


def error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Told:
    more = [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
    return Told(status, [JSON, *more], json.dumps({"error": sentence}).encode())


def refusal(refused: errors.RequestError) -> Told:
    status = STATUSES[type(refused)]
    return error(status, str(refused), RETRY if status in (429, 503) else None)


@lru_cache(maxsize=KEPT)
def answered_by(identity: Identity, stale: bool) -> tuple[Header, ...]:
    return tuple((name.encode(), text.encode()) for name, text in trailing_metadata(identity, stale))


@lru_cache(maxsize=KEPT)
def head_of(status: int, headers: tuple[Header, ...]) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), *[b"%s: %s" % each for each in headers]]
    return b"\r\n".join(lines)


def written(reply: Reply, answer: Answer, accepted: bytes) -> Told:
    told = reply(answer)
    coding = encodings.wanted(accepted) if accepted and len(told.content) >= encodings.WORTH_IT else b""
    if not coding:
        return told
    headers = [*told.headers, (encodings.CONTENT_ENCODING, coding), (b"vary", b"accept-encoding")]
    return Told(told.status, headers, encodings.pack(told.content, coding))
