"""Two of each service at once is normal: whoever is killed or frozen, every run has one outcome; who wakes changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import pairs, rebalances
from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line

SEED = 7
LONG, PAIRED = rebalances.one_model_a_partition("long"), rebalances.one_model_a_partition("paired")
ENVIRON = {"PUSHLINE_KAFKA_OPTIONS": rebalances.POLL_OPTIONS, "PUSHLINE_MAX_TRAININGS": "4"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish(dict.fromkeys((*LONG, *PAIRED), ""), stub_python, environ=ENVIRON)
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


@pytest.mark.timeout(600)
def test_members_that_come_and_go_begin_no_long_training_again(line: FaultLine, say: Callable[[str], None]) -> None:
    campaign = rebalances.Campaign(line, LONG, SEED)
    campaign.run(seconds=38, changes=1)

    say(campaign.told())
    assert campaign.wrong == []
    assert campaign.moved > 0


@pytest.mark.timeout(600)
def test_with_two_of_each_either_may_be_killed_or_frozen_in_the_middle_of_a_run(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    pairs.second_of_each(line)
    campaign = pairs.Campaign(line, PAIRED, SEED)
    for blow in (
        pairs.Blow(("evaluator?", "deployer?", "auditor"), frozen=True),
        pairs.Blow(("evaluator?", "deployer?", "predictor-2"), frozen=False),
    ):
        campaign.deal(blow)

    lost, double, told = campaign.told()
    say(told)
    assert (lost, double) == (0, 0), campaign.wrong
