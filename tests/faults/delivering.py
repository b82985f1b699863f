"""Webhooks as GitHub, GitLab and Gitea send them, over kept connections, with what a forge does when nobody takes them."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.running_line import secret_of
from tests.fixtures.trainer_intake.webhooks import gitea_headers, github_headers, gitlab_token_headers, to_bytes

ANSWER_SECONDS = 10.0  # GitHub's patience
AGAIN_SECONDS = 1.0
FORGES = ("github", "gitlab", "gitea")
TAKEN = (200, 202)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Word of one push, by one forge. `again`: how often it is sent once more where it was not taken."""

    model: str
    sha: str
    forge: str
    again: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a delivery. Status 0: the connection failed, or nobody answered in time. Moments are monotonic seconds."""

    delivery: Delivery
    status: int
    body: dict[str, Any]
    begun: float  # of the last attempt
    ended: float
    attempts: int

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def request_of(delivery: Delivery, address: str, delivery_id: str = "1") -> bytes:
    """Give a whole signed request."""
    body, headers = _SAID[delivery.forge](delivery, address)
    lines = [(name, delivery_id.encode() if name == b"x-github-delivery" else value) for name, value in headers]
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    path = delivery.forge.encode()
    return b"POST /webhooks/%s HTTP/1.1\r\nhost: trainer\r\n%scontent-length: %d\r\n\r\n%s" % (path, head, len(body), body)


def _push(delivery: Delivery, address: str) -> dict[str, Any]:
    repository = {"full_name": f"team/{delivery.model}", "clone_url": address}
    return {"ref": "refs/heads/main", "before": "0" * 40, "after": delivery.sha, "deleted": False, "repository": repository}


def _github(delivery: Delivery, address: str) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    body = to_bytes(_push(delivery, address))
    return body, github_headers(body, secret=secret_of(delivery.model))


def _gitea(delivery: Delivery, address: str) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    body = to_bytes(_push(delivery, address))
    return body, gitea_headers(body, secret=secret_of(delivery.model))


def _gitlab(delivery: Delivery, address: str) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    project = {"path_with_namespace": f"team/{delivery.model}", "git_http_url": address}
    body = to_bytes({"object_kind": "push", "ref": "refs/heads/main", "after": delivery.sha, "project": project})
    return body, gitlab_token_headers(token=secret_of(delivery.model))


_SAID: dict[str, Callable[[Delivery, str], tuple[bytes, Sequence[tuple[bytes, bytes]]]]]
_SAID = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}


@dataclass
class Sender:
    """Posts to the trainer at this port, which may be another one after a restart. For one event loop."""

    port: Callable[[], int]
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def deliver(self, delivery: Delivery, address: str, delivery_id: str = "1") -> Told:
        """Send it, and again as often as that forge does, until somebody took it."""
        attempts = 0
        while True:
            attempts += 1
            begun = time.monotonic()
            status, body = await self.post(request_of(delivery, address, delivery_id))
            told = Told(delivery, status, body, begun, time.monotonic(), attempts)
            if status in TAKEN or attempts > delivery.again:
                return told
            await asyncio.sleep(AGAIN_SECONDS)

    async def post(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Give status and answer, (0, {}) where there was none."""
        with suppress(OSError, EOFError, ValueError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._exchange(request)
        return 0, {}

    async def _exchange(self, request: bytes) -> tuple[int, dict[str, Any]]:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if line)
            body = await reader.readexactly(int(fields[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), json.loads(body)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port())

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
