"""A request whose head came before is answered unparsed: as any other one, and the connection's limits hold all the same."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.http_server import HttpServer
from pushline.runtime.known_heads import MOST, Ask, KnownHeads

LIMITS = HttpLimits(idle_seconds=0.4, header_seconds=0.3)
HEAD = "POST /a HTTP/1.1\r\nHost: x\r\n"


class Echo:
    """Bodies that begin with a dash it answers the usual way."""

    def __init__(self) -> None:
        self.parsed = self.asked = self.called = 0

    def at_once(self, scope: Mapping[str, Any]) -> Ask:
        self.parsed += 1
        return lambda body: self._answer(scope["path"].encode(), body)

    def _answer(self, path: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        self.asked += 1
        return None if body.startswith(b"-") else (b"HTTP/1.1 200 OK\r\nx-path: %s" % path, body)

    async def __call__(self, _scope: object, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        self.called += 1
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        headers = [(b"content-length", b"%d" % len(body)), (b"x-path", b"usual")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def wire(echo: Echo) -> Iterator[socket.socket]:
    server = HttpServer("127.0.0.1", 0, echo, setting="PUSHLINE_REST_PORT", drain_seconds=1, limits=LIMITS)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        yield wire
    server.stop()


def request(body: str, head: str = HEAD) -> bytes:
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def told(wire: socket.socket) -> tuple[str, str]:
    """Give path and body of the next answer; its date is held to be there."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += heard(wire)
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    while len(body) < int(headers["content-length"]):
        body += heard(wire)
    assert lines[0] == "HTTP/1.1 200 OK"
    assert headers["date"]
    return headers["x-path"], body.decode()


def heard(wire: socket.socket) -> bytes:
    piece = wire.recv(1 << 16)
    assert piece, "the connection ended"
    return piece


def asked(wire: socket.socket, text: bytes) -> tuple[str, str]:
    wire.sendall(text)
    return told(wire)


def test_a_head_that_came_before_is_not_parsed_again(wire: socket.socket, echo: Echo) -> None:
    for body in ("one", "two", "six"):
        assert asked(wire, request(body)) == ("/a", body)

    assert (echo.parsed, echo.asked, echo.called) == (1, 3, 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (request("one"), request("four")),
        (request("one"), request("one", HEAD.replace("/a", "/b"))),
        (request("one", f"{HEAD}Expect: 200\r\n"), request("one", f"{HEAD}Expect: 200\r\n")),
        (request("one", f"{HEAD}Upgrade: x\r\n"), request("one", f"{HEAD}Upgrade: x\r\n")),
        (request("one", f"{HEAD}X: {'x' * 2000}\r\n"), request("one", f"{HEAD}X: {'x' * 2000}\r\n")),
    ],
    ids=["another size", "another path", "an expectation", "an upgrade", "long"],
)
def test_any_other_head_is_parsed(wire: socket.socket, echo: Echo, first: bytes, second: bytes) -> None:
    for text in (first, second):
        assert asked(wire, text)[1] == text.partition(b"\r\n\r\n")[2].decode()

    assert echo.parsed == 2


def test_a_body_in_chunks_is_parsed_each_time(wire: socket.socket, echo: Echo) -> None:
    for _ in range(2):
        assert asked(wire, f"{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n".encode()) == ("/a", "one")

    assert echo.parsed == 2


def test_a_known_head_in_pieces_or_with_others_behind_it_is_answered_in_order(wire: socket.socket, echo: Echo) -> None:
    text = request("one")
    assert asked(wire, text) == ("/a", "one")
    for cut in (1, 20, len(text) - 3, len(text) - 1):
        for piece in (text[:cut], text[cut:]):
            wire.sendall(piece)
        assert told(wire)[1] == "one"
    wire.sendall(request("six") + request("-no") + request("ten"))
    assert [told(wire)[1] for _ in range(3)] == ["six", "-no", "ten"]
    parsed = echo.parsed

    assert asked(wire, request("two")) == ("/a", "two")
    assert echo.parsed == parsed


def test_what_is_not_answered_at_once_is_asked_once_and_answered_the_usual_way(wire: socket.socket, echo: Echo) -> None:
    assert asked(wire, request("one")) == ("/a", "one")
    assert asked(wire, request("-no")) == ("usual", "-no")
    assert asked(wire, request("two")) == ("/a", "two")

    assert (echo.parsed, echo.asked, echo.called) == (1, 3, 1)


def test_a_request_that_waits_for_the_usual_answer_is_not_overtaken(wire: socket.socket) -> None:
    assert asked(wire, request("one")) == ("/a", "one")
    wire.sendall(request("-no"))
    wire.sendall(request("two"))

    assert [told(wire)[1] for _ in range(2)] == ["-no", "two"]


def test_a_connection_in_use_is_kept_and_an_idle_one_ended(wire: socket.socket) -> None:
    began = last = time.monotonic()
    while last - began < 3 * LIMITS.idle_seconds:
        assert asked(wire, request("one")) == ("/a", "one")
        last = time.monotonic()

    assert wire.recv(1) == b""
    assert time.monotonic() - last > min(LIMITS.idle_seconds, LIMITS.header_seconds) / 2


def test_a_head_that_does_not_end_after_a_known_one_ends_the_connection(wire: socket.socket) -> None:
    for _ in range(3):
        assert asked(wire, request("one")) == ("/a", "one")
    wire.sendall(request("one")[:20])

    assert wire.recv(1) == b""


def test_what_is_kept_is_bounded() -> None:
    heads = KnownHeads()
    for number in range(MOST + 10):
        text = request("one", f"{HEAD}X: {number}\r\n")
        heads.note(text, [(b"content-length", b"3")], lambda _: None)

    assert 0 < len(heads._known) <= MOST
