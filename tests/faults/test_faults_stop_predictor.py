"""SIGTERM to a predictor under load: what it had accepted is answered, it ends in time and with 0; a second signal forces it.

PUSHLINE_TEST_STOPS says how often; the default fits a CI run.
"""

import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.hostile import requests
from benchmarks.hostile.subject import HEAVY_MODEL, INFER
from tests.faults.evidence import report, seeded
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.services import START_SECONDS, Service, one_more
from tests.faults.stopping import Calls, GrpcCaller, call_either, call_rest
from tests.fixtures.predictor.deploying import HEAVY, Line
from tests.fixtures.predictor.http2 import HOST, Connection, header_block
from tests.servers import ENVIRON
from tests.waiting import until

pytestmark = pytest.mark.alone

STOPS, LANES, SEED = int(ENVIRON.get("PUSHLINE_TEST_STOPS", "24")), 3, 9
SUBJECTS = {"one process": (1, STOPS, LANES), "two processes": (2, max(1, STOPS // 4), 1)}  # how many, stops, of them at once
DRAIN_SECONDS, GRACE_SECONDS = 0.5, 5.0
END_SECONDS = DRAIN_SECONDS + GRACE_SECONDS + 3.0  # and what else has to end
FORCED_SECONDS = 2.0


@dataclass
class Replicas:
    """One that stays, and any number that are stopped."""

    line: FaultLine
    folder: Path

    @property
    def steady(self) -> Service:
        return self.line.services["predictor"]

    @contextmanager
    def another(self, name: str, cache: str, workers: int = 1) -> Iterator[Service]:
        """Start one more in this thread, which it is bound to."""
        folder = self.folder / name
        folder.mkdir()
        own = {"PUSHLINE_CACHE": str(self.folder / cache), "PUSHLINE_REPLICA": name, "PUSHLINE_WORKERS": str(workers)}
        with one_more(self.steady, folder, own) as service:
            service.ready()
            until(lambda: workers == 1 or f"processes {workers}.0" in service.metrics(), START_SECONDS, "all processes")
            yield service


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[Replicas]:
    times = {"PUSHLINE_DRAIN": f"{DRAIN_SECONDS * 1000:.0f}ms", "PUSHLINE_GRACE": f"{GRACE_SECONDS:.0f}s"}
    wish = Wish({}, services=("predictor",), environ={"PUSHLINE_MODELS": HEAVY_MODEL, **times})
    with fault_line(tmp_path_factory.mktemp("line"), place, wish) as line:
        Line(line.seen.log, line.seen.store).deploy(HEAVY, HEAVY_MODEL)
        line.services["predictor"].ready()
        yield Replicas(line, tmp_path_factory.mktemp("replicas"))


@dataclass
class Stop:
    calls: Calls
    seconds: float
    exit_code: int | None
    last_words: str

    @property
    def wrong(self) -> list[str]:
        found = [*self.calls.lost]
        if self.exit_code != 0:
            found.append(f"exit code {self.exit_code}: {self.last_words}")
        if self.seconds > END_SECONDS:
            found.append(f"it took {self.seconds:.1f} s")
        if self.calls.answered < 10:
            found.append(f"{self.calls.answered} answers are no load")
        return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_accepted_call_fails_when_a_predictor_is_stopped_under_load(
    replicas: Replicas, say: Callable[[str], None], subject: str
) -> None:
    workers, count, lanes = SUBJECTS[subject]

    def lane(number: int) -> list[Stop]:
        chance, cache = seeded(SEED + number), f"cache-{number}"
        names = [f"{workers}-{number}-{trial}" for trial in range(number, count, lanes)]
        return [stop_under_load(replicas, name, cache, chance, workers) for name in names]

    with ThreadPoolExecutor(lanes) as pool:
        stops = [stop for done in pool.map(lane, range(lanes)) for stop in done]

    wrong = [sentence for stop in stops for sentence in stop.wrong]
    answered, refused = sum(stop.calls.answered for stop in stops), sum(stop.calls.refused for stop in stops)
    cancelled = sum(stop.calls.cancelled for stop in stops)
    slowest = round(max(stop.seconds for stop in stops), 2)
    lost = sum(len(stop.calls.lost) for stop in stops)
    figures: dict[str, float | str] = {"answered": answered, "refused": refused, "cancelled": cancelled, "slowest_seconds": slowest}
    say(report(f"sigterm-under-load ({subject})", len(stops), lost, SEED, **figures))
    assert not wrong, "\n".join(wrong)
    assert len(stops) == count


def stop_under_load(replicas: Replicas, name: str, cache: str, chance: random.Random, workers: int) -> Stop:
    calls, finish = Calls(), threading.Event()
    with replicas.another(name, cache, workers) as service:
        ports = service.child.ports
        both = f"ipv4:{HOST}:{ports['grpc']},{HOST}:{replicas.steady.child.ports['grpc']}"
        work: list[tuple[Callable[..., object], tuple[object, ...]]] = [
            (GrpcCaller(ports["grpc"], calls, finish).run, ()) for _ in range(workers)
        ]
        work += [(call_rest, (ports["rest"], calls, finish))] * 3 + [(call_either, (both, calls, finish))]
        threads = [threading.Thread(target=target, args=arguments) for target, arguments in work]
        for thread in threads:
            thread.start()
        try:
            enough = chance.randrange(20, 200)
            until(lambda: calls.answered > enough or bool(calls.lost), 60, "a load")
            began = time.monotonic()
            service.ask_to_stop()
            code = service.exit_code(END_SECONDS + 10)
            seconds = time.monotonic() - began
        finally:
            finish.set()
            for thread in threads:
                thread.join()
        return Stop(calls, seconds, code, service.child.last_words())


def test_clients_who_never_finish_do_not_keep_it_beyond_the_grace_period(replicas: Replicas) -> None:
    with replicas.another("hanging", "cache-hanging") as service, half_asked(service):
        began = time.monotonic()
        service.ask_to_stop()

        assert service.exit_code(END_SECONDS + 10) == 0
        assert time.monotonic() - began < END_SECONDS


def test_a_second_signal_ends_it_at_once(replicas: Replicas) -> None:
    with replicas.another("forced", "cache-forced") as service, half_asked(service):
        service.ask_to_stop()
        until(lambda: '"message":"stopping"' in service.log.read_text(), 10, "the first signal")
        began = time.monotonic()
        service.ask_to_stop()

        assert service.exit_code(FORCED_SECONDS + 10) == 128 + signal.SIGTERM
        assert time.monotonic() - began < FORCED_SECONDS


@contextmanager
def half_asked(service: Service) -> Iterator[None]:
    """Hold a call open on either door: headers without a message, half a body."""
    wire = Connection(service.child.ports["grpc"])
    wire.open(header_block(INFER))
    head = f"POST {requests.rest_path(HEAVY_MODEL)} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((HOST, service.child.ports["rest"]), timeout=10) as half, closing(wire):
        half.sendall(head.encode())
        assert half.recv(4096).startswith(b"HTTP/1.1 100")
        half.sendall(b"{")
        yield
