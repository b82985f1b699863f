"""Promise 4: an older commit never replaces a newer one, whatever comes late and however many deployers there are."""

import sys
from collections.abc import Callable, Iterator

import pytest

from pushline.line.events import ModelDeployed
from tests.faults.evidence import report, seeded
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.telling import Teller

SEED = 4
RACES = 30
RUNS_A_RACE = 4


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[FaultLine]:
    """A deployer and its twin. Their groups are not the same, so that each owns every partition: two of a mind."""
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({}, services=("deployer",))) as running:
        running.another("twin", "deployer", [sys.executable, "-m", "tests.faults.twin", "deployer"]).ready()
        yield running


def teller(line: FaultLine, model: str) -> Teller:
    return Teller(line.seen.log, line.seen.tail, line.seen.store, model)


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


@pytest.mark.timeout(180)
def test_with_two_deployers_at_once_runs_that_end_in_any_order_go_live_in_the_order_of_their_pushes(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    chance, lost_races = seeded(SEED), 0
    for race in range(RACES):
        model = f"race-{race}"
        telling = teller(line, model)
        runs = [telling.push() for _ in range(RUNS_A_RACE)]
        chance.shuffle(runs)
        for run in runs:
            telling.train(run)
            if chance.random() < 0.7:
                telling.judge_all()
        telling.all_end()
        assert_in_order(line, model)
    with line.seen.tail.read() as ledger:
        lost_races = ledger.counts[("deployed", "invalid")]
    assert both_wrote(line) == {"deployer", "twin"}
    say(report("two-deployers", RACES * RUNS_A_RACE, 0, SEED, lost_races=lost_races))


def both_wrote(line: FaultLine) -> set[str]:
    return {name for name in ("deployer", "twin") if '"answered"' in line.services[name].log.read_text()}


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


def test_a_deployer_that_slept_through_deployments_changes_nothing_when_it_wakes(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    chance, trials = seeded(SEED), 10
    for trial in range(trials):
        model, sleeper = f"asleep-{trial}", chance.choice(("deployer", "twin"))
        telling = teller(line, model)
        telling.train(telling.push())
        with line.services[sleeper].frozen():
            telling.all_end()
            telling.train(telling.push())
            telling.all_end()
        awake(line, sleeper)
        telling.train(telling.push())
        telling.all_end()
        assert_in_order(line, model)
        assert [record.kind for record in deployments(line, model)] == ["promote"] * 3

    say(report("a-deployer-sleeps", trials, 0, SEED))


def awake(line: FaultLine, name: str) -> None:
    """Wait until it read to the end."""
    line.services[name].ready()
