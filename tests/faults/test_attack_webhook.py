"""A hostile sender who connects and says nothing, or says it slowly: others are heard all the same."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.http_server import HttpServer
from pushline.trainer.webhook.app import ReceiveLimits, make_app
from pushline.trainer.webhook.forms import GitHubForm, Hint
from pushline.trainer.webhook.intake import Answer, ignored
from pushline.trainer.webhook.signature import Keyring
from tests.fixtures.trainer_intake.forge import a_model

CLOSED = b""
LIMITS = HttpLimits(header_seconds=1.0)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    models = (a_model(),)

    async def take(_hint: Hint) -> Answer:
        return ignored("test", "A test.")

    app = make_app({"github": (GitHubForm(models), Keyring.of(models))}, take, ReceiveLimits(), lambda *_: None)
    server = HttpServer("127.0.0.1", 0, app, setting="PUSHLINE_WEBHOOK_PORT", drain_seconds=1, limits=LIMITS)
    server.start()
    yield server
    server.stop()


def answer(server: HttpServer) -> int:
    return httpx.post(f"http://127.0.0.1:{server.port}/webhooks/github", content=b"{}", timeout=10).status_code


def test_connections_that_say_nothing_do_not_keep_others_out_for_a_moment(server: HttpServer) -> None:
    with ExitStack() as stack:
        for _ in range(LIMITS.max_connections + 8):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))

        assert [answer(server) for _ in range(8)] == [401] * 8


def test_a_connection_between_two_requests_is_kept_while_others_have_asked_nothing(server: HttpServer) -> None:
    url = f"http://127.0.0.1:{server.port}/webhooks/github"
    with ExitStack() as stack:
        kept = stack.enter_context(httpx.Client(timeout=10))
        first = wire_of(kept.post(url, content=b"{}"))
        for _ in range(LIMITS.max_connections + 8):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        second = wire_of(kept.post(url, content=b"{}"))

    assert first == second


def wire_of(told: httpx.Response) -> object:
    """Give the client's end of the connection."""
    return told.extensions["network_stream"].get_extra_info("client_addr")


def test_an_answer_on_a_kept_connection_does_not_wait_for_an_acknowledgement(server: HttpServer) -> None:
    with httpx.Client(timeout=10) as kept:
        answers = [kept.post(f"http://127.0.0.1:{server.port}/webhooks/github", content=b"{}") for _ in range(20)]

    assert sorted(each.elapsed.total_seconds() for each in answers)[len(answers) // 2] < 0.03


def test_headers_that_never_end_are_not_waited_for(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow: ")

        assert connection.recv(1) == CLOSED


def test_headers_that_never_end_after_a_first_request_are_not_waited_for_either(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nPOST /web")
        heard = connection.recv(4096)
        while chunk := connection.recv(4096):
            heard += chunk

        assert heard.startswith(b"HTTP/1.1 401")
