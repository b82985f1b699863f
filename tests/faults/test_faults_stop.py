"""Promise 13: SIGTERM ends every service well, whatever it is doing, and leaves nothing behind."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import repositories
from tests.faults.evidence import all_records, events_of, report
from tests.faults.places import Place
from tests.faults.processes import ALL, GRACE_SECONDS, FaultLine, Wish, fault_line
from tests.faults.procfs import children_of, runs
from tests.waiting import until


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({"stopped": ""}, stub_python)) as running:
        yield running


def stop(line: FaultLine, names: tuple[str, ...]) -> float:
    """Ask all of them to stop at one moment; give the seconds until the last one is gone."""
    began = time.monotonic()
    services = [line.services[name] for name in names]
    helpers = [pid for service in services for pid in children_of(service.pid)]
    for service in services:
        service.ask_to_stop()
    codes = {service.child.service.name: service.exit_code() for service in services}
    seconds = time.monotonic() - began
    assert codes == dict.fromkeys(names, 0)
    until(lambda: not any(runs(pid) for pid in helpers), 2, "the end of every process below them")
    line.no_sandbox_left()
    for service in services:
        assert left_behind(service.work) == []
    return seconds


def left_behind(work: Path) -> list[str]:
    """Give files and folders of work under way; what a service keeps on purpose has a name that does not change."""
    kept = {"cache", "git", "owner", "sandbox-passwd"}
    found = [
        path.name for path in work.iterdir() if path.name not in kept and not (path.name == "trainings" and not any(path.iterdir()))
    ]
    half = [path.name for path in work.rglob("*") if path.suffix in (".part", ".tmp") or path.name.startswith("tmp")]
    return sorted(found + half)


@pytest.mark.timeout(180)
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
