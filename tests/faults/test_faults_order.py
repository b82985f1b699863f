"""Promise 4: an older commit never replaces a newer one, whatever comes late and however many deployers there are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from pushline.line.codec import decode, encode
from pushline.line.events import ModelDeployed
from pushline.line.ledger import RULE_NAMES
from pushline.line.records import Record
from tests.faults.evidence import all_records
from tests.faults.ordering import DEPLOYERS, Races, disagreements, older_over_newer, teller, two_deployers
from tests.faults.places import Place
from tests.faults.processes import FaultLine

SEED = 4
RACES = 16
PARTITIONS = 4


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[FaultLine]:
    with two_deployers(tmp_path_factory.mktemp("line"), place) as running:
        yield running


def deployments(line: FaultLine, model: str) -> list[ModelDeployed]:
    with line.seen.tail.read() as ledger:
        return [entry.event for entry in ledger.line(model).deployments]


def assert_in_order(line: FaultLine, model: str) -> None:
    """Numbers rise, promotions rise by generation, and each run has one outcome and one slot."""
    records = deployments(line, model)
    numbers = [record.deploy_seq for record in records if record.kind != "close"]
    promoted = [record.generation for record in records if record.kind == "promote"]
    ended = [record.run_id for record in records if record.kind in ("promote", "close")]
    with line.seen.tail.read() as ledger:
        runs = [run.run_id for run in ledger.line(model).runs]
        newest = ledger.line(model).live[0].generation
    assert numbers == sorted(set(numbers))
    assert promoted == sorted(set(promoted))
    assert sorted(ended) == sorted(runs)
    assert newest == max(promoted)


@pytest.mark.timeout(600)
def test_in_races_of_two_deployers_nothing_older_wins_and_all_readers_agree(line: FaultLine, say: Callable[[str], None]) -> None:
    races = Races(line, SEED)
    for number in range(RACES):
        races.run(number)

    wrong, told = races.told()
    say(told)
    assert wrong == []
    assert both_wrote(line) == set(DEPLOYERS)


def test_the_oracle_of_the_races_sees_an_older_run_over_a_newer_one_and_a_reader_of_another_mind(line: FaultLine) -> None:
    telling = teller(line, "seen")
    for _ in range(2):
        telling.train(telling.push())
        telling.all_end()
    records = [record for record in all_records(line.seen.log) if record.key == b"seen"]
    with line.seen.tail.read() as ledger:  # the other deployer's, which lost the race, are no promotions
        promoted = {entry.offset for entry in ledger.line("seen").deployments}
    promotions = [record for record in records if record.topic == "deployed" and record.offset in promoted]
    assert older_over_newer(records, PARTITIONS) == []
    assert disagreements(records, PARTITIONS, SEED) == []

    older_last = [record for record in records if record.topic != "deployed"] + _the_other_way_round(promotions)
    lawless = RULE_NAMES - {"promote_fence"}
    assert any("was promoted after" in sentence for sentence in older_over_newer(older_last, PARTITIONS, lawless))
    assert disagreements(older_last, PARTITIONS, SEED, lawless) != []
    assert disagreements(older_last, PARTITIONS, SEED) == []


def _the_other_way_round(promotions: Sequence[Record]) -> list[Record]:
    """Give the two of them with numbers that follow each other, as a person would write them: excused from slot and baseline."""
    older, newer = (decode(record).event for record in promotions)
    assert isinstance(older, ModelDeployed)
    assert isinstance(newer, ModelDeployed)
    first = replace(newer, previous=0, deploy_seq=1, baseline_digest="none", caused_by="")
    second = replace(older, previous=1, deploy_seq=2, baseline_digest=newer.digest, caused_by="")
    written = [encode(event, "test") for event in (first, second)]
    return [
        replace(record, value=message.value, headers=message.headers) for record, message in zip(promotions, written, strict=True)
    ]


def both_wrote(line: FaultLine) -> set[str]:
    return {name for name in DEPLOYERS if '"answered"' in line.services[name].log.read_text()}


def test_an_older_verdict_that_comes_late_replaces_nothing(line: FaultLine) -> None:
    telling = teller(line, "late")
    older, newer = telling.push(), telling.push()
    telling.train(newer)
    telling.all_end()
    live = telling.live()

    telling.train(older)
    telling.say(telling.verdict(older, "none"))
    telling.say(telling.verdict(older, live))
    telling.all_end()

    assert (telling.outcome(newer), telling.outcome(older)) == ("deployed", "superseded")
    assert telling.live() == live
    assert_in_order(line, "late")


def test_a_promotion_of_an_older_run_that_somebody_writes_is_no_deployment(line: FaultLine) -> None:
    telling = teller(line, "forged")
    older, newer = telling.push(), telling.push()
    for run in (older, newer):
        telling.train(run)
        telling.all_end()
    live, first = telling.live(), deployments(line, "forged")[0]

    with line.seen.tail.read() as ledger:
        number = ledger.line("forged").deploy_seq
    again = {"deploy_seq": number + 1, "previous": number, "baseline_digest": live}
    written = telling.say(ModelDeployed(**{**{name: getattr(first, name) for name in first.__slots__}, **again}))

    with line.seen.tail.read() as ledger:
        assert ledger.valid(written) is None
    assert telling.live() == live


def test_a_rollback_holds_back_the_runs_in_flight_and_not_the_next_push(line: FaultLine) -> None:
    telling = teller(line, "back")
    digests = []
    for _ in range(2):
        telling.train(telling.push())
        telling.all_end()
        digests.append(telling.live())
    in_flight = telling.push()

    telling.rollback(digests[0])
    telling.train(in_flight)
    telling.say(telling.verdict(in_flight, digests[0]))
    telling.all_end()
    assert (telling.live(), telling.outcome(in_flight)) == (digests[0], "superseded")

    after = telling.push()
    telling.train(after)
    telling.all_end()
    assert telling.outcome(after) == "deployed"
    kinds = [record.kind for record in deployments(line, "back")]
    assert kinds == ["promote", "promote", "rollback", "close", "promote"]
