"""Calls of a forge's API: JSON over HTTP, bounded in bytes and seconds, no redirect followed, and what a refusal means.

The token is read when it is needed, goes into one header to one host, and is in no error.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from pushline.auditor.forge.ports import ForgeError, Limited, Refused, Trouble
from pushline.runtime.forge_config import ForgeConfig

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 5.0, 10.0, 20.0
MAX_ANSWER_BYTES = 8 << 20
CHUNK_BYTES = 64 << 10
MAX_MESSAGE_CHARACTERS = 200
MINUTE, LONGEST_LIMIT_SECONDS = 60.0, 3600.0
_PASSES = {408, 409, 423, 425, 500, 502, 503, 504}
_OF_ALL_CALLS = {502, 503, 504}

Headers = Callable[[], Mapping[str, str]]  # those that prove who asks


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any  # JSON, None where there is none


class NotFound(Refused):
    """404."""


class BadRequest(Refused):
    """400."""


class Http:
    """One connection to one host, for one thread at a time."""

    def __init__(self, config: ForgeConfig, headers: Headers) -> None:
        """Raises OSError where ca_file cannot be read or holds no certificate (ssl.SSLError is one)."""
        parts = urlsplit(config.api)
        self._host, self._path, self._headers = parts.netloc, parts.path, headers
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        context = ssl.create_default_context(cafile=config.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._pools = urllib3.PoolManager(num_pools=1, maxsize=1, timeout=timeout, retries=False, ssl_context=context)
        self._pool = self._pools.connection_from_url(config.api)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """Raises ForgeError."""
        headers = {"user-agent": "pushline", "accept": "application/json", "accept-encoding": "identity", **self._headers()}
        data = None
        if body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        try:
            answer = self._pool.urlopen(
                method, self._path + path, body=data, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
            raw = _read(answer)
        except (HTTPError, OSError) as error:
            raise Trouble(f"{self._host}: {_plainly(error)}") from None
        found = Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, _json(raw))
        problem = self._problem(found, method, path)
        if problem is not None:
            raise problem
        return found

    def close(self) -> None:
        self._pools.clear()

    def _problem(self, answer: Answer, method: str, path: str) -> ForgeError | None:
        status = answer.status
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        told = _message(answer)
        sentence = f"{self._host} answers {status}{f' ({told})' if told else ''} to {method} {self._path}{path}"
        if status < HTTPStatus.BAD_REQUEST:
            where = urlsplit(answer.headers.get("location", "")).netloc or "another place"
            return Refused(
                f"{sentence}: it leads to {where[:100]}, and the token goes to no other place; mend forge.api or project"
            )
        limit = _limit(answer)
        if limit is not None:
            return Limited(f"{sentence}: no further call for {limit:.0f} s", limit)
        if status in _PASSES or status > HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
            return Trouble(sentence, everywhere=status in _OF_ALL_CALLS)
        kinds: dict[int, type[Refused]] = {404: NotFound, 400: BadRequest}
        return kinds.get(status, Refused)(sentence, of_rights=status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Read the body. What is larger than any answer should be, or comes too slowly, is trouble of the connection."""
    deadline = time.monotonic() + WHOLE_SECONDS
    data = bytearray()
    whole = False
    try:
        while chunk := answer.read1(CHUNK_BYTES, decode_content=False):
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                raise OSError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the answer did not come within {WHOLE_SECONDS:g} s")
        whole = True
    finally:
        answer.release_conn() if whole else answer.close()
    return bytes(data)


def _json(raw: bytes) -> Any:  # noqa: ANN401 - whatever the forge says
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None


def _message(answer: Answer) -> str:
    """Give what the forge says of its refusal, in one line."""
    told = answer.body.get("message", answer.body.get("error", "")) if isinstance(answer.body, dict) else ""
    text = told if isinstance(told, str) else json.dumps(told)
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:MAX_MESSAGE_CHARACTERS]


def _limit(answer: Answer) -> float | None:
    """Give the seconds for which the forge wants no further call; None where this is no answer about a limit.

    GitHub says it with 403 as well as 429. How far off a time of its own is, its clock alone decides, not ours.
    """
    if answer.status not in (403, 429, 503):
        return None
    after, left = answer.headers.get("retry-after", ""), _either(answer.headers, "x-ratelimit-remaining", "ratelimit-remaining")
    if after.isascii() and after.isdigit():
        return min(float(after[:9]), LONGEST_LIMIT_SECONDS)
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    reset = _either(answer.headers, "x-ratelimit-reset", "ratelimit-reset")
    if left == "0" and reset.isascii() and reset.isdigit():
        return min(max(float(reset[:12]) - _their_time(answer), 1.0), LONGEST_LIMIT_SECONDS)
    says_so = isinstance(answer.body, dict) and "rate-limits" in str(answer.body.get("documentation_url", ""))
    return MINUTE if answer.status == HTTPStatus.TOO_MANY_REQUESTS or left == "0" or says_so else None


def _either(headers: Mapping[str, str], *names: str) -> str:
    return next((headers[name] for name in names if name in headers), "")


def _their_time(answer: Answer) -> float:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return time.time()


def _plainly(error: Exception) -> str:
    """Say what went wrong in the connection. urllib3 puts pools and addresses of objects into its words."""
    cause = error.__cause__ or error.__context__ or error
    inner = getattr(error, "reason", None)
    found = inner if isinstance(inner, Exception) else cause
    if isinstance(found, ssl.SSLError):
        return f"TLS: {getattr(found, 'verify_message', '') or found.reason or found}"
    if isinstance(found, OSError) and found.strerror:
        return found.strerror
    return type(found).__name__ if isinstance(found, HTTPError) else str(found)
