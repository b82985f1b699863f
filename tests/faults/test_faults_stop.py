"""Promise 13: SIGTERM ends every service well, whatever it is doing, and leaves nothing behind."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from pushline.cli.service_settings import HOST
from pushline.client import Client, PredictionFailed
from tests.faults import repositories
from tests.faults.evidence import all_records, events_of, report
from tests.faults.places import own_place
from tests.faults.processes import ALL, FaultLine, Wish, fault_line
from tests.faults.procfs import children_of, runs
from tests.faults.services import GRACE_SECONDS, Service, frozen
from tests.waiting import until

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where it is
FORCED_SECONDS = 2.0


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish({"stopped": ""}, stub_python)
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


def stop(line: FaultLine, names: tuple[str, ...], number: int = signal.SIGTERM) -> float:
    """Ask all of them to stop at one moment; give the seconds until the last one is gone."""
    began, shared = time.monotonic(), set(SHARED_MEMORY.iterdir())
    services = [line.services[name] for name in names]
    helpers = [pid for service in services for pid in children_of(service.pid)]
    for service in services:
        service.ask_to_stop(number)
    codes = {service.child.service.name: service.exit_code() for service in services}
    seconds = time.monotonic() - began
    assert codes == dict.fromkeys(names, 0)
    none_runs(helpers)
    line.no_sandbox_left()
    assert not [path for path in set(SHARED_MEMORY.iterdir()) - shared if path.name in owned_by(services)]
    for service in services:
        assert left_behind(service.work) == []
        assert not listening(service)
    return seconds


def owned_by(services: Sequence[Service]) -> set[str]:
    """Give what lies in shared memory under a name that tells one of these processes."""
    pids = [str(service.pid) for service in services]
    return {path.name for path in SHARED_MEMORY.iterdir() if any(pid in path.name for pid in pids)}


def listening(service: Service) -> list[int]:
    found = []
    for port in service.child.ports.values():
        with socket.socket() as calling:
            if calling.connect_ex((HOST, port)) == 0:
                found.append(port)
    return found


def left_behind(work: Path) -> list[str]:
    """Give files and folders of work under way; what a service keeps on purpose has a name that does not change."""
    kept = {"cache", "git", "data", "environments", "launcher", "owner", "sandbox-passwd", "snapshots"}
    found = [
        path.name for path in work.iterdir() if path.name not in kept and not (path.name == "trainings" and not any(path.iterdir()))
    ]
    half = [path.name for path in work.rglob("*") if path.suffix in (".part", ".tmp") or path.name.startswith("tmp")]
    return sorted(found + half)


@pytest.mark.timeout(600)
def test_every_service_ends_with_0_at_any_stage_and_the_run_goes_on_after_the_next_start(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    slowest, stages = 0.0, ("commit", "trained", "evaluated", "deployed")
    for number, stage in enumerate(stages):
        run = line.push("stopped", 2.0 + number)
        line.reached(run, stage)
        slowest = max(slowest, stop(line, ALL))
        line.start()
        line.deployed(run)
        line.answers("stopped", run)
        assert events_of(all_records(line.seen.log), run)["ModelTrained"] == 1

    assert slowest < GRACE_SECONDS
    say(report("sigterm", len(stages) * len(ALL), 0, 0, slowest_seconds=round(slowest, 2)))


def test_a_stop_while_a_script_runs_ends_the_script_and_costs_no_try(line: FaultLine) -> None:
    run = line.push("stopped", 20.0, gated=True)
    for _ in range(4):  # more often than a training may crash
        line.waits_for_the_gate(run)
        assert stop(line, ("trainer",)) < GRACE_SECONDS
        line.start(("trainer",))
    line.waits_for_the_gate(run)
    repositories.open_gates(line.services["trainer"].work)

    line.deployed(run)
    line.answers("stopped", run)


def test_idle_services_end_with_0_at_an_interrupt_too(line: FaultLine) -> None:
    assert stop(line, ALL, signal.SIGINT) < GRACE_SECONDS
    line.start()


@pytest.mark.timeout(600)
def test_every_service_ends_with_0_under_load(line: FaultLine) -> None:
    run = line.push("stopped", 30.0)
    line.deployed(run)
    line.answers("stopped", run)
    ended = threading.Event()
    callers = [threading.Thread(target=keep_asking, args=(line, ended)) for _ in range(4)]
    for caller in callers:
        caller.start()
    newest = line.push("stopped", 31.0)
    try:
        assert stop(line, ALL) < GRACE_SECONDS
    finally:
        ended.set()
        for caller in callers:
            caller.join()

    line.start()
    line.deployed(newest)
    line.answers("stopped", newest)


def keep_asking(line: FaultLine, ended: threading.Event) -> None:
    with Client(line.seen.grpc, retry=False) as client:
        while not ended.is_set():
            with suppress(PredictionFailed):
                client.predict(repositories.X, model="stopped")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("server", ["broker", "store"])
def test_every_service_ends_with_0_while_broker_or_store_is_down_and_the_run_goes_on_after_it(line: FaultLine, server: str) -> None:
    run = line.push("stopped", 40.0 + len(server), gated=True)
    line.waits_for_the_gate(run)
    line.kill((server,))
    repositories.open_gates(line.services["trainer"].work)
    try:
        assert stop(line, ALL) < GRACE_SECONDS
    finally:
        line.start_again((server,))

    line.start()
    until(lambda: gone_on(line, run), 60, "the outcome")
    line.answers("stopped", run)


def none_runs(pids: Sequence[int]) -> None:
    until(lambda: not any(runs(pid) for pid in pids), 5, "the end of every process below it")


def gone_on(line: FaultLine, run: str) -> bool:
    repositories.open_gates(line.services["trainer"].work)
    return line.run(run).outcome == "deployed"


@pytest.mark.timeout(600)
def test_a_second_signal_ends_a_service_at_once_and_its_children_with_it(line: FaultLine) -> None:
    run = line.push("stopped", 50.0, gated=True)
    line.waits_for_the_gate(run)
    for name in ALL:
        service = line.services[name]
        helpers = children_of(service.pid)
        with frozen(line.servers["broker"].pid):
            service.ask_to_stop()
            service.ask_to_stop(signal.SIGINT)
            assert service.exit_code(FORCED_SECONDS) in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM), name
        none_runs(helpers)
    line.no_sandbox_left()

    line.start()
    until(lambda: gone_on(line, run), 60, "the outcome")
    line.answers("stopped", run)
