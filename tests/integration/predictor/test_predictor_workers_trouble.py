"""Further processes that do wrong, whatever it is: they are replaced, hold nobody up for long, and all end when they are to."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pushline.predictor import workers
from pushline.predictor.doors import Ports
from pushline.predictor.frames import Frames
from pushline.predictor.member import Member
from pushline.predictor.metrics import CrewMetrics
from pushline.predictor.shared_port import hold
from pushline.predictor.workers import Workers
from pushline.runtime.status_server import CannotListen
from tests.faults.procfs import runs
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.entries import entry_of
from tests.fixtures.predictor.running import QUIET, a_line, wait_for
from tests.waiting import until

STUB = Path("tests/fixtures/predictor/stub_worker.py")
PATIENCE, SILENCE, ENDING = 0.5, 1.5, 0.5


class Crew:
    """One further process, which behaves as the list says, start after start, and in the end well."""

    def __init__(self, *behaviours: str) -> None:
        self.registry = CollectorRegistry()
        self._behaviours = list(behaviours)
        self.pids: list[int] = []
        self.workers = Workers(2, self._spawn, CrewMetrics(self.registry), QUIET, 0.0)

    def _spawn(self, number: int) -> Member:
        ours, theirs = socket.socketpair()
        behaviour = self._behaviours.pop(0) if self._behaviours else "good"
        with theirs:
            command = [sys.executable, str(STUB), behaviour, str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        self.pids.append(process.pid)
        return Member(number, process, Frames(ours))

    def count(self, name: str) -> float:
        return self.registry.get_sample_value(f"pushline_predictor_{name}") or 0.0


@contextmanager
def crew(*behaviours: str) -> Iterator[Crew]:
    made = Crew(*behaviours)
    made.workers.start(Ports(0, 0))
    try:
        yield made
    finally:
        made.workers.stop()
        made.workers.wait()
        assert not any(runs(pid) for pid in made.pids)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PATIENCE_SECONDS", PATIENCE), ("SILENT_SECONDS", SILENCE), ("ENDING_SECONDS", ENDING)):
        monkeypatch.setattr(workers, name, seconds)


@pytest.mark.parametrize("behaviour", ["quits", "closes", "babbles", "hangs", "refuses", "never loads"])
def test_one_that_does_wrong_is_replaced_and_a_deployment_waits_no_longer_than_is_allowed(behaviour: str) -> None:
    line, _, _ = a_line()
    deployment = entry_of(line.deploy(DOUBLE))
    with crew(behaviour) as made:
        wait_for(lambda: bool(made.pids), "its start")
        if behaviour in ("refuses", "never loads"):
            wait_for(lambda: made.count("processes") == 2, "all to serve")
        began = time.monotonic()
        made.workers.prepare(deployment, 0.0)
        took = time.monotonic() - began
        made.workers.swap(deployment)

        wait_for(lambda: made.count("processes_ended_total") == 1, "its end")
        wait_for(lambda: made.count("processes") == 2, "another one in its place")
        assert took < PATIENCE + 1.0
        assert not runs(made.pids[0])


def test_one_that_does_not_end_when_it_is_asked_to_is_killed() -> None:
    with crew("stays") as made:
        wait_for(lambda: made.count("processes") == 2, "all to serve")
        began = time.monotonic()
        made.workers.stop()
        made.workers.wait()

        assert time.monotonic() - began < ENDING + 2.0
        assert not runs(made.pids[0])


def test_one_that_cannot_begin_is_tried_again_with_growing_pauses() -> None:
    with crew(*["quits"] * 4) as made:
        began = time.monotonic()
        until(lambda: made.count("processes") == 2, 30, "the fifth start")

        assert made.count("processes_ended_total") == 4
        assert time.monotonic() - began > workers.FIRST_PAUSE_SECONDS * (1 + 2 + 4 + 8)


def test_one_that_begins_does_not_open_before_it_has_loaded_what_is_live_and_nobody_waits_for_it() -> None:
    line, _, _ = a_line()
    live, following = entry_of(line.deploy(DOUBLE)), entry_of(line.deploy(DOUBLE, "other"))
    made = Crew("never loads")
    made.workers.swap(live)
    made.workers.start(Ports(0, 0))
    try:
        wait_for(lambda: made.registry.get_sample_value("pushline_predictor_processes") == 1 and bool(made.pids), "its start")
        began = time.monotonic()
        made.workers.prepare(following, 0.0)
        took = time.monotonic() - began
        made.workers.swap(following)

        assert took < PATIENCE
        assert made.count("processes") == 1
    finally:
        made.workers.stop()
        made.workers.wait()


def test_a_held_port_is_free_for_those_who_share_it_and_taken_for_all_others() -> None:
    held = hold("PUSHLINE_GRPC_PORT", "127.0.0.1", 0)
    with pytest.raises(CannotListen, match=rf"PUSHLINE_GRPC_PORT: cannot listen on 127.0.0.1 port {held.number}: Address already"):
        hold("PUSHLINE_GRPC_PORT", "127.0.0.1", held.number)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", held.number))

    with socket.create_server(("127.0.0.1", held.number), reuse_port=True):
        pass
    held.close()
    with socket.create_server(("127.0.0.1", held.number)):
        pass


def test_a_port_whose_connections_ended_a_moment_ago_can_be_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # who closes first keeps the port in TIME_WAIT

    hold("PUSHLINE_GRPC_PORT", "127.0.0.1", port).close()
