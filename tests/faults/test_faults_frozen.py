"""Promises 1, 3 and 7 while broker or store stand still: no false 202, and every run ends after the thaw."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.faults import repositories
from tests.faults.evidence import all_records, events_of
from tests.faults.places import Place, own_place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line
from tests.faults.proxy import Door
from tests.faults.services import frozen
from tests.waiting import until

ONCE = {"CommitPushed": 1, "ModelTrained": 1, "ModelEvaluated": 1, "promote": 1, "ModelServed": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a broker and a store that no other test uses."""
    with own_place(tmp_path_factory.mktemp("place")) as servers:
        yield servers


@pytest.fixture(scope="module")
def door(place: Place) -> Iterator[Door]:
    """Give the way to the store that everybody here takes."""
    standing = Door(urlsplit(place.store.endpoint).port or 0)
    yield standing
    standing.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, door: Door, stub_python: Path) -> Iterator[FaultLine]:
    models = dict.fromkeys(("hinted", "trained", "stored"), "")
    folder = tmp_path_factory.mktemp("line")
    seen_by_services = replace(place.store, endpoint=f"http://127.0.0.1:{door.port}")
    with fault_line(folder, replace(place, store=seen_by_services), Wish(models, stub_python)) as running:
        yield running


def ends_once(line: FaultLine, model: str, run: str) -> None:
    line.deployed(run, 90)
    line.answers(model, run)
    line.reached(run, "served")
    assert dict(events_of(all_records(line.seen.log), run)) == ONCE


def not_ready(line: FaultLine, service: str, reason: str) -> None:
    until(lambda: reason in line.services[service].problem(), 60, f"a {service} that names the {reason}")


@pytest.mark.timeout(600)
def test_a_push_while_the_broker_stands_still_is_not_answered_202_unless_it_is_in_the_log(line: FaultLine) -> None:
    sha = line.repositories["hinted"].push(repositories.good(2.0))
    with frozen(line.broker_pid):
        status, answer = line.seen.hint("hinted", sha)
        not_ready(line, "trainer", "broker")
    assert (status, answer["status"]) == (503, "unknown")

    again = until(lambda: accepted(line, "hinted", sha), 60, "202 after the thaw")
    run = str(again["run_id"])
    line.factors[run] = 2.0
    ends_once(line, "hinted", run)


def accepted(line: FaultLine, model: str, sha: str) -> dict[str, Any] | None:
    status, answer = line.seen.hint(model, sha)
    assert status in (202, 503), answer
    return answer if status == 202 else None


@pytest.mark.timeout(600)
def test_a_training_that_ends_while_the_broker_stands_still_is_told_once_after_the_thaw(line: FaultLine) -> None:
    run = line.push("trained", 3.0, gated=True)
    line.waits_for_the_gate(run)
    with frozen(line.broker_pid):
        repositories.open_gates(line.services["trainer"].work)
        manifests = f"runs/trained/{run}/manifests/"
        until(lambda: list(line.seen.store.list(manifests)), 60, "the manifest in the store")
        assert line.seen.hint("hinted", "1" * 40)[0] == 503
    ends_once(line, "trained", run)


@pytest.mark.timeout(600)
def test_a_training_that_ends_while_the_store_is_dead_waits_for_it_and_is_not_made_again(line: FaultLine, door: Door) -> None:
    run = line.push("stored", 4.0, gated=True)
    line.waits_for_the_gate(run)
    with door.shut():
        repositories.open_gates(line.services["trainer"].work)
        not_ready(line, "trainer", "store")
        line.no_sandbox_left()
    ends_once(line, "stored", run)
    tries = {key.split("/")[4] for key in line.seen.store.list(f"runs/stored/{run}/tries/")}
    assert len(tries) == 1


@pytest.mark.timeout(600)
def test_a_training_that_ends_while_the_store_stands_still_goes_on_after_the_thaw(line: FaultLine) -> None:
    run = line.push("stored", 5.0, gated=True)
    line.waits_for_the_gate(run)
    with frozen(line.store_pid):
        repositories.open_gates(line.services["trainer"].work)
        line.no_sandbox_left()
        with pytest.raises(TimeoutError):
            urlopen(line.seen.told["store"]["endpoint"], timeout=3).close()  # noqa: S310 - our own address
    ends_once(line, "stored", run)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", ["commit", "trained", "evaluated", "deployed"])
def test_a_store_that_dies_at_any_stage_of_a_run_costs_nothing(line: FaultLine, door: Door, stage: str) -> None:
    run = line.push("stored", 6.0 + len(stage))
    line.reached(run, stage)
    with door.shut():
        until(lambda: bool(line.run(run).outcome) or any("store" in line.services[name].problem() for name in STAGES), 60, stage)
    ends_once(line, "stored", run)


def test_predictions_go_on_while_broker_and_store_stand_still(line: FaultLine) -> None:
    run = line.push("hinted", 7.0)
    line.deployed(run)
    line.answers("hinted", run)
    with frozen(line.broker_pid), frozen(line.store_pid):
        for _ in range(50):
            line.answers("hinted", run, 5)
