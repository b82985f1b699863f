"""A request that came before is answered at once: over a real socket as any other one, in whatever pieces it comes."""

import json
import socket
from collections.abc import Iterator
from typing import Self

import pytest

from pushline.predictor.rest_door import RestDoors
from tests.fixtures.predictor.stock import Live, live

PATH = "/v2/models/numbers/infer"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One that has answered such a request often enough to know that it is quick."""
    with live(tmp_path_factory.mktemp("cache")) as predictor, Wire(predictor) as wire:
        for _ in range(20):
            wire.send(request(1))
            assert wire.receive()[1] == [2, 4, 6]
        yield predictor


class Wire:
    """A connection that is kept."""

    def __init__(self, predictor: Live) -> None:
        self.socket = socket.create_connection(("127.0.0.1", predictor.service.rest.port), timeout=20)
        self._heard = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.close()
        self.socket.close()

    def send(self, text: bytes) -> None:
        self.socket.sendall(text)

    def receive(self) -> tuple[str, list[float], dict[str, str]]:
        """Give status, numbers and headers of the next answer."""
        status = self._line()
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = json.loads(self._heard.read(int(headers["content-length"])))
        return status, body["outputs"][0]["data"] if "outputs" in body else [], headers

    def _line(self) -> str:
        return self._heard.readline().decode().rstrip("\r\n")


def request(first: float, head: str = HEAD) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [first, 2, 3, 4]}
    body = json.dumps({"inputs": [tensor]}).encode()
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_an_answer_given_at_once_is_like_any_other(predictor: Live) -> None:
    with Wire(predictor) as wire:
        wire.send(request(5))
        status, numbers, headers = wire.receive()
        wire.send(request(5, HEAD + "Content-Encoding: identity\r\n"))  # a coding is looked at the usual way
        usual = wire.receive()

    assert (status, numbers) == ("HTTP/1.1 200 OK", [10, 4, 6])
    assert (usual[:2], set(usual[2]) - {"date"}) == ((status, numbers), set(headers) - {"date"})
    assert {name: headers[name] for name in headers if name != "date"} == {
        name: usual[2][name] for name in usual[2] if name != "date"
    }
    assert headers["x-pushline-commit"] == predictor.event.commit.sha


def test_a_request_in_pieces_and_requests_in_one_piece_are_answered_in_order(predictor: Live) -> None:
    text = request(7)
    with Wire(predictor) as wire:
        for cut in (10, len(text) - 5):
            wire.send(text[:cut])
            wire.send(text[cut:])
            assert wire.receive()[1] == [14, 4, 6]
        wire.send(request(1) + request(2, HEAD + "Content-Encoding: identity\r\n") + request(3))
        assert [wire.receive()[1][0] for _ in range(3)] == [2, 4, 6]


@pytest.mark.parametrize("head", [HEAD + "Connection: close\r\n", HEAD.replace("1.1", "1.0")], ids=["close", "HTTP/1.0"])
def test_a_connection_that_is_not_to_be_kept_is_ended(predictor: Live, head: str) -> None:
    with Wire(predictor) as wire:
        wire.send(request(1, head))
        status, numbers, headers = wire.receive()

        assert (status, numbers, headers["connection"]) == ("HTTP/1.1 200 OK", [2, 4, 6], "close")
        assert wire.socket.recv(1) == b""


def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on(predictor: Live) -> None:
    text = request(4, HEAD + "Expect: 100-continue\r\n")
    head, _, body = text.partition(b"\r\n\r\n")
    with Wire(predictor) as wire:
        wire.send(head + b"\r\n\r\n")
        assert wire.socket.recv(1 << 16).startswith(b"HTTP/1.1 100 Continue")
        wire.send(body)
        assert wire.receive()[1] == [8, 4, 6]


def test_such_a_request_is_indeed_answered_at_once(predictor: Live) -> None:
    server = predictor.service.rest._server
    assert server is not None
    doors = server._server.config.app
    assert isinstance(doors, RestDoors)
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [(b"content-type", b"application/json")]}
    ask = doors.at_once(scope)
    told = ask and ask(request(6).partition(b"\r\n\r\n")[2])

    assert told is not None
    assert json.loads(told[1])["outputs"][0]["data"] == [12, 4, 6]


def test_numbers_that_are_none_are_refused_as_ever(predictor: Live) -> None:
    with Wire(predictor) as wire:
        wire.send(request(1e39))

        assert wire.receive()[0] == "HTTP/1.1 400 Bad Request"
