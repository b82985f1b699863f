"""A store that is full, or does not take the keys, at each stage: it waits and says why, and goes on once that is mended."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults import repositories
from tests.faults.places import Place, embedded_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.proxy import Door
from tests.faults.refusing import refusing
from tests.waiting import until

FULL = (507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold.")
WRONG_KEYS = (403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
STAGE_BEFORE = {"evaluator": "trained", "deployer": "evaluated"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with embedded_place(tmp_path_factory.mktemp("place")) as servers:
        yield servers


@pytest.fixture(scope="module")
def door(place: Place) -> Iterator[Door]:
    """Give the way to the store that every service takes."""
    standing = Door(urlsplit(place.store.endpoint).port or 0)
    yield standing
    standing.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, door: Door, stub_python: Path) -> Iterator[FaultLine]:
    seen_by_services = replace(place.store, endpoint=f"http://127.0.0.1:{door.port}")
    wish = Wish({"refused": ""}, stub_python)
    with fault_line(tmp_path_factory.mktemp("line"), replace(place, store=seen_by_services), wish) as running:
        run = running.push("refused", 1.0)
        running.deployed(run)
        running.answers("refused", run)
        yield running


def says(line: FaultLine, name: str, code: str) -> None:
    until(lambda: code in line.services[name].problem(), 60, f"a {name} that says {code}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("refusal", "factor"), [(FULL, 2.0), (WRONG_KEYS, 3.0)], ids=["full", "wrong keys"])
def test_a_store_that_takes_nothing_of_a_training_is_named_and_the_run_goes_on_once_it_does(
    line: FaultLine, door: Door, refusal: tuple[int, str, str], factor: float
) -> None:
    run = line.push("refused", factor, gated=True)
    line.waits_for_the_gate(run)
    with refusing(door, *refusal):
        repositories.open_gates(line.services["trainer"].work)
        says(line, "trainer", refusal[1])
    line.deployed(run, 90)
    line.answers("refused", run)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("name", "refusal", "said", "factor"),
    [
        ("evaluator", WRONG_KEYS, WRONG_KEYS[1], 4.0),
        ("evaluator", FULL, FULL[1], 5.0),
        ("deployer", WRONG_KEYS, "AccessDenied", 6.0),  # it asks whether objects are there, and such an answer has no words
    ],
    ids=["evaluator, wrong keys", "evaluator, full", "deployer, wrong keys"],
)
def test_a_stage_that_the_store_refuses_names_it_and_the_run_goes_on_once_it_is_mended(
    line: FaultLine, door: Door, name: str, refusal: tuple[int, str, str], said: str, factor: float
) -> None:
    with ExitStack() as refused:
        with line.services[name].frozen():
            run = line.push("refused", factor)
            line.reached(run, STAGE_BEFORE[name])
            refused.enter_context(refusing(door, *refusal))
        says(line, name, said)
    line.deployed(run, 90)
    line.answers("refused", run)


@pytest.mark.timeout(180)
def test_a_predictor_that_the_store_refuses_serves_what_it_has_until_it_is_mended(line: FaultLine, door: Door) -> None:
    before = line.run(line.seen.tail.wait_until(lambda ledger: ledger.line("refused").newest_deployed, 10).event.run_id)
    with ExitStack() as refused:
        with line.services["predictor"].frozen():
            run = line.push("refused", 7.0)
            line.deployed(run)
            refused.enter_context(refusing(door, *WRONG_KEYS))
        until(lambda: WRONG_KEYS[1] in line.services["predictor"].log.read_text(), 60, "the predictor's word of it")
        line.answers("refused", before.run_id)
    line.answers("refused", run, 90)
