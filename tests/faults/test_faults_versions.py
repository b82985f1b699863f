"""Services of an earlier version work with today's, in the middle of runs, there and back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.evidence import all_records
from tests.faults.killing import verdict_on
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.versions import VersionCampaign, earlier_python

SEED, TRIALS = 5, 3
PARTITIONS = 4
BEGIN = ("trainer", "evaluator", "predictor")  # of the earlier version at first; the others are today's


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({"versioned": ""}, stub_python)) as running:
        yield running


@pytest.mark.timeout(600)
def test_each_service_changes_its_version_in_the_middle_of_a_run_and_nothing_is_lost(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    campaign = VersionCampaign(line, "versioned", earlier_python(), SEED)
    campaign.begin(*BEGIN)
    for name, moment in campaign.plan(TRIALS):
        campaign.deal(name, moment)

    wrong, told = campaign.told()
    say(told)
    assert wrong == []
    lost, _ = verdict_on(all_records(line.seen.log)[:-1], [*campaign.runs, "one that was never there"], PARTITIONS)
    assert "one that was never there" in lost  # the oracle sees one


def test_a_clone_without_the_earlier_commit_is_told_what_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(AssertionError, match=r"this clone has no commit 0{40}.*git fetch --unshallow"):
        earlier_python("0" * 40)
