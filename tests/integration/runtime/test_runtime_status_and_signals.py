import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from pushline.runtime.health import Health
from pushline.runtime.status_server import CannotListen, StatusServer

WAITS = """
from pushline.runtime.shutdown import Shutdown
import threading
shutdown = Shutdown()
shutdown.install()
print("installed", flush=True)
shutdown.wait()
print("asked", flush=True)
{then}
"""


@pytest.fixture
def health() -> Health:
    return Health(starting=["line"])


@pytest.fixture
def server(health: Health) -> Iterator[StatusServer]:
    registry = CollectorRegistry()
    Counter("pushline_tests", "counts nothing", registry=registry)
    server = StatusServer("127.0.0.1", 0, health, registry)
    server.start()
    yield server
    server.stop()


def get(server: StatusServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_process_is_live_before_it_is_ready(server: StatusServer) -> None:
    assert get(server, "/livez")[0] == 200
    assert get(server, "/readyz")[0] == 503


def test_readyz_names_the_part_that_is_not_well(server: StatusServer, health: Health) -> None:
    health.report("line", "broker: no answer")

    assert json.loads(get(server, "/readyz")[1]) == {"ready": False, "problems": {"line": "broker: no answer"}}
    health.report("line", "")
    assert get(server, "/readyz")[0] == 200


def test_metrics_are_those_of_the_registry_given(server: StatusServer) -> None:
    status, body = get(server, "/metrics")

    assert status == 200
    assert b"pushline_tests_total 0.0" in body


def test_other_paths_are_not_found(server: StatusServer) -> None:
    assert get(server, "/")[0] == 404


def test_a_taken_port_is_one_clear_sentence(health: Health) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(
            CannotListen, match=rf"PUSHLINE_METRICS_PORT: cannot listen on 127\.0\.0\.1 port {port}: Address already"
        ):
            StatusServer("127.0.0.1", port, health, CollectorRegistry()).start()


def started(then: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WAITS.format(then=then)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "installed\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_a_clean_stop(number: signal.Signals) -> None:
    with started("") as process:
        process.send_signal(number)

        assert process.wait(timeout=30) == 0


def test_the_second_signal_ends_the_process_at_once() -> None:
    with started("threading.Event().wait()") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 128 + signal.SIGTERM
