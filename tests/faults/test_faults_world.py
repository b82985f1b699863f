"""The world around a line goes wrong: clocks jump, records are no events, replicas stand still, and all of it at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushline.line.records import Record
from tests.faults.clocks import SERVICES, ClockCampaign, Clocks, Jump, clocked
from tests.faults.evidence import all_records
from tests.faults.places import own_place
from tests.faults.poisoning import EVERY, PoisonCampaign, misplaced, out_of_order
from tests.faults.processes import FaultLine, fault_line
from tests.faults.replicas import ReplicaCampaign, gone_back
from tests.faults.services import Service
from tests.faults.soaking import Soak
from tests.fixtures.predictor.deploying import Line

SEED = 11
POISONED, SOAKED = ("poisoned-0", "poisoned-1"), ("soaked-0", "soaked-1")
JUMPS = (Jump(("predictor",), 86_400), Jump(SERVICES, -86_400, running=True))
GOOD_RUNS, DEPLOYMENTS, SOAK_SECONDS = 6, 10, 25.0


@pytest.fixture(scope="module")
def clocks_and_line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[tuple[Clocks, FaultLine]]:
    models = {**dict.fromkeys(("clock", *SOAKED), ""), **dict.fromkeys(POISONED, EVERY)}
    wish, clocks = clocked(models, stub_python, tmp_path_factory.mktemp("world"))
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield clocks, running


@pytest.fixture(scope="module")
def line(clocks_and_line: tuple[Clocks, FaultLine]) -> FaultLine:
    return clocks_and_line[1]


@pytest.fixture(scope="module")
def further(line: FaultLine) -> list[Service]:
    return [line.another(f"replica-{number}", "predictor") for number in (2, 3)]


@pytest.mark.timeout(600)
def test_clocks_that_jump_are_named_and_change_no_order(
    clocks_and_line: tuple[Clocks, FaultLine], say: Callable[[str], None]
) -> None:
    clocks, line = clocks_and_line
    campaign = ClockCampaign(line, clocks, "clock", SEED)
    campaign.begin()
    for jump in JUMPS:
        campaign.deal(jump)

    wrong, told = campaign.told()
    say(told)
    assert wrong == []


@pytest.mark.timeout(600)
def test_good_records_among_as_many_bad_ones_are_all_done_in_order(line: FaultLine, say: Callable[[str], None]) -> None:
    campaign = PoisonCampaign(line, POISONED, SEED)
    campaign.play(GOOD_RUNS)
    campaign.judge()

    wrong, told = campaign.told()
    say(told)
    assert wrong == []
    assert_the_oracles_see_red(all_records(line.seen.log), campaign)


def assert_the_oracles_see_red(records: list[Record], campaign: PoisonCampaign) -> None:
    model, letters = POISONED[0], campaign.letters()
    assert misplaced(campaign.bad, letters[1:]) != []
    assert misplaced(campaign.bad, [*letters, letters[0]]) != []
    assert out_of_order(records, model, list(reversed(campaign.runs[model]))) != []


@pytest.mark.timeout(600)
def test_three_replicas_one_of_which_stands_still_now_and_then_are_of_one_mind_in_the_end(
    line: FaultLine, further: list[Service], say: Callable[[str], None]
) -> None:
    campaign = ReplicaCampaign([line.services["predictor"], *further], Line(line.seen.log, line.seen.store), "replicated", SEED)
    campaign.play(DEPLOYMENTS)

    wrong, told = campaign.told()
    say(told)
    assert wrong == []


@pytest.mark.timeout(600)
def test_after_all_faults_at_random_every_invariant_holds(
    clocks_and_line: tuple[Clocks, FaultLine], further: list[Service], say: Callable[[str], None]
) -> None:
    clocks, line = clocks_and_line
    soak = Soak(line, SOAKED, SEED, clocks, replicas=further[:1])
    soak.begin()
    soak.play(SOAK_SECONDS)

    wrong, told = soak.told("soak")
    say(told)
    assert wrong == []


def test_a_connection_that_is_told_an_older_deployment_is_seen() -> None:
    assert gone_back([1, 2, 2, 5]) == []
    assert gone_back([1, 3, 2]) == ["deploy_seq went back from 3 to 2"]
