"""A request whose head came before is answered unparsed: as any other one, and the connection's limits hold all the same."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.http_server import HttpServer
from pushline.runtime.known_heads import MOST, Ask, KnownHeads

BRIEF = HttpLimits(idle_seconds=0.8, header_seconds=0.6)
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


class Wire:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._heard = self._socket.makefile("rb")

    def send(self, text: bytes) -> None:
        self._socket.sendall(text)

    def told(self) -> tuple[str, str]:
        """Give path and body of the next answer; its date is held to be there."""
        lines = []
        while line := self._heard.readline().decode().rstrip("\r\n"):
            lines.append(line)
        headers = dict(line.split(": ", 1) for line in lines[1:])
        assert lines[0] == "HTTP/1.1 200 OK"
        assert headers["date"]
        return headers["x-path"], self._heard.read(int(headers["content-length"])).decode()

    def asked(self, text: bytes) -> tuple[str, str]:
        self.send(text)
        return self.told()

    @property
    def is_ended(self) -> bool:
        return self._heard.read(1) == b""

    def close(self) -> None:
        self._heard.close()
        self._socket.close()


@contextmanager
def wire_to(echo: Echo, limits: HttpLimits) -> Iterator[Wire]:
    server = HttpServer("127.0.0.1", 0, echo, setting="PUSHLINE_REST_PORT", drain_seconds=1, limits=limits)
    server.start()
    with closing(Wire(server.port)) as wire:
        yield wire
    server.stop()


@pytest.fixture
def wire(echo: Echo) -> Iterator[Wire]:
    with wire_to(echo, HttpLimits()) as wire:
        yield wire


@pytest.fixture
def brief_wire(echo: Echo) -> Iterator[Wire]:
    with wire_to(echo, BRIEF) as wire:
        yield wire


def request(body: str, head: str = HEAD) -> bytes:
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def test_a_head_that_came_before_is_not_parsed_again(wire: Wire, echo: Echo) -> None:
    for body in ("one", "two", "six"):
        assert wire.asked(request(body)) == ("/a", body)

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
def test_any_other_head_is_parsed(wire: Wire, echo: Echo, first: bytes, second: bytes) -> None:
    for text in (first, second):
        assert wire.asked(text)[1] == text.partition(b"\r\n\r\n")[2].decode()

    assert echo.parsed == 2


def test_a_body_in_chunks_is_parsed_each_time(wire: Wire, echo: Echo) -> None:
    for _ in range(2):
        assert wire.asked(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n".encode()) == ("/a", "one")

    assert echo.parsed == 2


def test_a_known_head_in_pieces_or_with_others_behind_it_is_answered_in_order(wire: Wire, echo: Echo) -> None:
    text = request("one")
    assert wire.asked(text) == ("/a", "one")
    for cut in (1, 20, len(text) - 3, len(text) - 1):
        for piece in (text[:cut], text[cut:]):
            wire.send(piece)
        assert wire.told()[1] == "one"
    wire.send(request("six") + request("-no") + request("ten"))
    assert [wire.told()[1] for _ in range(3)] == ["six", "-no", "ten"]
    parsed = echo.parsed

    assert wire.asked(request("two")) == ("/a", "two")
    assert echo.parsed == parsed


def test_what_is_not_answered_at_once_is_asked_once_and_answered_the_usual_way(wire: Wire, echo: Echo) -> None:
    assert wire.asked(request("one")) == ("/a", "one")
    assert wire.asked(request("-no")) == ("usual", "-no")
    assert wire.asked(request("two")) == ("/a", "two")

    assert (echo.parsed, echo.asked, echo.called) == (1, 3, 1)


def test_a_request_that_waits_for_the_usual_answer_is_not_overtaken(wire: Wire) -> None:
    assert wire.asked(request("one")) == ("/a", "one")
    wire.send(request("-no"))
    wire.send(request("two"))

    assert [wire.told()[1] for _ in range(2)] == ["-no", "two"]


def test_a_connection_in_use_is_kept_and_an_idle_one_ended(brief_wire: Wire) -> None:
    began = last = time.monotonic()
    while last - began < 3 * BRIEF.idle_seconds:
        assert brief_wire.asked(request("one")) == ("/a", "one")
        last = time.monotonic()

    assert brief_wire.is_ended
    assert time.monotonic() - last > min(BRIEF.idle_seconds, BRIEF.header_seconds) / 2


def test_a_head_that_does_not_end_after_a_known_one_ends_the_connection(brief_wire: Wire) -> None:
    for _ in range(3):
        assert brief_wire.asked(request("one")) == ("/a", "one")
    brief_wire.send(request("one")[:20])

    assert brief_wire.is_ended


def test_what_is_kept_is_bounded() -> None:
    heads = KnownHeads()
    for number in range(MOST + 10):
        text = request("one", f"{HEAD}X: {number}\r\n")
        heads.note(text, [(b"content-length", b"3")], lambda _: None)

    assert 0 < len(heads._known) <= MOST
