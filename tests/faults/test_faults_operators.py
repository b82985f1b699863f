"""Two operators at once: one wins, the other is told what happened instead, by whom and why."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.evidence import all_records
from tests.faults.operators import Told, line_of, operators, verdict_on
from tests.faults.places import Place

SEED, TRIALS = 7, 12


@pytest.mark.timeout(600)
def test_of_two_operators_at_once_one_wins_and_the_other_is_told(place: Place, say: Callable[[str], None]) -> None:
    with operators(place, "operated", SEED) as campaign:
        for _ in range(TRIALS):
            campaign.deal()
        with campaign.story.tail.read() as ledger:
            partitions = ledger.partitions
        records = all_records(campaign.log)
        wrong, races = verdict_on(records, campaign.told, partitions)

        assert wrong == []
        assert races
        say(line_of(campaign, wrong, races, SEED))
        an_oracle_that_fails(campaign.told, lambda told: verdict_on(records, told, partitions)[0])


def an_oracle_that_fails(told: list[Told], verdict: Callable[[list[Told]], list[str]]) -> None:
    """The same log with other words: the oracle goes red."""
    lost = next(index for index, each in enumerate(told) if "was faster" in each.said)
    silent = [*told[:lost], replace(told[lost], said="no"), *told[lost + 1 :]]
    assert "was not told" in verdict(silent)[0]
    lied = [*told[:lost], replace(told[lost], code=0), *told[lost + 1 :]]
    assert "told 0, and 0 records of it count" in verdict(lied)[0]
