"""Promises 1, 3, 5 and 7 at exact points: killed at a byte, a broker and a store in trouble. One line, behind doors, for all."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushline.objects.minio_store import MinioStore
from tests.faults.broker_trouble import BrokerTrouble, blows
from tests.faults.crashing import CrashPoints, by_push, each_point_once, every_strike
from tests.faults.doored_place import Doors, doored_line
from tests.faults.evidence import report
from tests.faults.flow import flowing
from tests.faults.points import POINTS
from tests.faults.processes import FaultLine
from tests.faults.steady import asked_steadily
from tests.faults.store_trouble import StoreTrouble
from tests.faults.writers import contents, written_at_once

SEED = 11
STRUCK, STORED, FLOWS = "struck", "stored", ("flow-a", "flow-b")
ASKED_A_SECOND, PAUSE_SECONDS = 20.0, 3.0


@pytest.fixture(scope="module")
def doored(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[tuple[FaultLine, Doors]]:
    with doored_line(tmp_path_factory.mktemp("doored"), stub_python, STRUCK, STORED, *FLOWS) as running:
        yield running


@pytest.fixture(scope="module")
def line(doored: tuple[FaultLine, Doors]) -> FaultLine:
    return doored[0]


@pytest.fixture(scope="module")
def doors(doored: tuple[FaultLine, Doors]) -> Doors:
    return doored[1]


def test_every_strike_is_dealt_once_and_none_beside_another_of_its_service() -> None:
    strikes = every_strike(3, SEED)

    pushes = by_push(strikes)

    assert Counter(strike for each in pushes for strike in each) == Counter(strikes)
    assert all(len({strike.victim for strike in each}) == len(each) for each in pushes)
    assert all(len(each) == 1 for each in pushes if any(strike.point.needs_newcomer for strike in each))
    assert len(pushes) < len(strikes) / 2


@pytest.mark.timeout(600)
def test_a_service_killed_at_an_exact_point_loses_nothing_and_says_nothing_twice(
    line: FaultLine, doors: Doors, say: Callable[[str], None]
) -> None:
    campaign = CrashPoints(line, doors, STRUCK, SEED)
    campaign.begin()
    for strikes in by_push(each_point_once(SEED)):
        campaign.deal(strikes)

    lost, double, told = campaign.told()
    say(told)
    assert (lost, double) == (0, 0), campaign.wrong
    assert campaign.fired.keys() == {point.name for point in POINTS}


@pytest.mark.timeout(600)
def test_a_store_that_dies_stalls_and_garbles_costs_no_run_and_no_answer(
    line: FaultLine, doors: Doors, say: Callable[[str], None]
) -> None:
    trouble = StoreTrouble(line, doors, STORED, SEED)
    trouble.carry_one()
    with asked_steadily(line.seen.grpc, [STORED], ASKED_A_SECOND) as steady:
        trouble.make(kills=1, damages=6, delays=1)

    bad, told = trouble.told(steady)
    say(told)
    assert bad == 0, trouble.wrong
    assert steady.answers


def test_many_writers_of_the_same_objects_leave_every_read_verified(line: FaultLine, say: Callable[[str], None]) -> None:
    access = line.seen.told["store"]
    stores = [
        MinioStore(access["endpoint"], access["bucket"], access["access_key"], access["secret_key"], access["region"])
        for _ in range(8)
    ]
    verified, wrong = written_at_once(stores, contents("written", 10, SEED), SEED)

    say(report("writers-of-the-same-objects", 80, len(wrong), SEED, verified=verified))
    assert not wrong
    assert verified >= 80


@pytest.mark.timeout(600)
def test_a_broker_that_dies_freezes_and_restarts_costs_no_push_and_no_prediction(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    for number, model in enumerate(FLOWS):
        run = line.push(model, 1.125 + number / 8)
        line.deployed(run)
        line.answers(model, run)
    with asked_steadily(line.seen.grpc, FLOWS, ASKED_A_SECOND) as steady:
        with flowing(line, FLOWS, PAUSE_SECONDS) as flow:
            trouble = BrokerTrouble(line, flow, SEED)
            for blow in blows(kills=1, freezes=1, restarts=1, seed=SEED):
                trouble.deal(blow)
        trouble.settle()

    bad, told = trouble.told(steady)
    say(told)
    assert bad == 0, trouble.wrong
    assert steady.answers
