"""Promises 1 and 3 on real servers: whoever is killed at whatever stage, every run ends once and the newest model answers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.codec import decode, encode
from pushline.line.events import ModelDeployed, ModelTrained
from pushline.line.records import Record
from tests.faults import pairs
from tests.faults.evidence import all_records, report
from tests.faults.killing import MOMENTS, Blow, Campaign, verdict_on
from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line

SEED = 7
PARTITIONS = 4
AT = {moment.name: moment for moment in MOMENTS}
BLOWS = (
    Blow(("trainer",), AT["progress moving"]),
    Blow(("evaluator",), AT["trained written"]),
    Blow(("deployer",), AT["report written"]),
    Blow(("store",), AT["manifest uploaded"]),
    Blow(("trainer", "deployer"), AT["try started"]),
    Blow(("broker", "evaluator"), AT["commit written"]),
    Blow(("predictor",), AT["deployed"]),
)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish({"killed": ""}, stub_python)
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


@pytest.mark.timeout(600)
def test_whoever_is_killed_at_a_stage_of_a_run_it_ends_once_and_its_model_answers(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    campaign = Campaign(line, "killed", SEED)
    for blow in BLOWS:
        campaign.deal(blow)

    lost, double, told = campaign.told()
    say(told)
    assert (lost, double) == (0, 0), campaign.wrong


def test_the_oracle_of_the_kills_sees_a_lost_run_and_one_that_came_double(line: FaultLine) -> None:
    records = all_records(line.seen.log)
    runs = [event.run_id for event in (decode(record).event for record in records) if isinstance(event, ModelTrained)]
    assert verdict_on(records, runs, PARTITIONS) == (set(), set())

    def is_outcome(record: Record) -> bool:
        event = decode(record).event
        return isinstance(event, ModelDeployed) and event.run_id == runs[-1]

    without = [record for record in records if not is_outcome(record)]
    assert verdict_on(without, runs, PARTITIONS) == ({runs[-1]}, set())

    told = next(record for record in records if record.topic == "trained")
    trained = decode(told).event
    assert isinstance(trained, ModelTrained)
    other = encode(replace(trained, sentence="trained once more"), "test")
    again = replace(told, offset=1_000_000, value=other.value, headers=other.headers)
    assert verdict_on([*records, again], runs, PARTITIONS) == (set(), {trained.run_id})


def test_a_campaign_none_of_whose_runs_came_to_an_end_prints_its_line_all_the_same(line: FaultLine) -> None:
    nobodys = "0b7e6a1c-0000-5000-8000-000000000000"
    for campaign in (Campaign(line, "killed", SEED, [nobodys]), pairs.Campaign(line, ["killed"], SEED, [nobodys])):
        lost, double, told = campaign.told()
        assert (lost, double) == (1, 0)
        assert " trials=1 lost=1 " in told
    assert " bound95=inf " in report("nothing", 0, 0, SEED)
