"""A branch that moves faster than a training takes: few trainings are begun, and one goes through every now and then."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from tests.faults import repositories
from tests.faults.evidence import report
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.pushing import branches
from tests.faults.rebalances import tries_of
from tests.waiting import until

TRAINING_SECONDS, PUSH_SECONDS, STORM_SECONDS = 1.0, 0.25, 10.0
OWN_SECONDS = 4.0  # what a loaded machine takes around two trainings
SLEEPS = f"import time\ntime.sleep({TRAINING_SECONDS})\n"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish({"patient": "cancel_running = false", "stormy": ""}, stub_python, ("trainer",))
    with fault_line(tmp_path_factory.mktemp("line"), replace(place), wish) as running:
        yield running


def test_twenty_pushes_during_one_training_are_two_further_trainings_at_the_most(line: FaultLine) -> None:
    first = line.push("patient", 2.0, gated=True)
    line.waits_for_the_gate(first)
    runs = [first, *(line.push("patient", 3.0 + number) for number in range(20))]
    repositories.open_gates(line.services["trainer"].work)

    until(lambda: all(line.run(run).trained for run in runs), 60, "an answer to every run")
    outcomes = [told.event.outcome for run in runs if (told := line.run(run).trained) is not None]
    begun = [run for run in runs if tries_of(line, "patient", run)]
    assert (outcomes[0], outcomes[-1]) == ("succeeded", "succeeded")
    assert set(outcomes[1:-1]) == {"superseded"}
    assert len(begun) <= 3


@pytest.mark.timeout(600)
def test_a_branch_that_moves_all_the_time_gets_a_model_within_twice_the_time_of_a_training(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    files = repositories.good(2.0)
    files["train.py"] = SLEEPS + repositories.TRAIN
    pause, pushes = Event(), int(STORM_SECONDS / PUSH_SECONDS)
    with branches({"stormy": line.repositories["stormy"]}, pushes, files) as (branch,):
        for _ in range(pushes):
            assert line.seen.hint("stormy", branch.push())[0] in (200, 202)
            pause.wait(PUSH_SECONDS)

        def is_over() -> bool:
            with line.seen.tail.read() as ledger:
                return all(run.trained for run in ledger.line("stormy").runs)

        until(is_over, 60, "an answer to every run")
    with line.seen.tail.read() as ledger:
        runs = ledger.line("stormy").runs
        pushed = [run.push.timestamp_ms / 1000 for run in runs]
        succeeded = [run.trained.timestamp_ms / 1000 for run in runs if run.trained and run.trained.event.outcome == "succeeded"]
    gaps = [after - before for before, after in zip([pushed[0], *succeeded], succeeded, strict=False)]
    say(report("busy-branch", len(runs), 0, 0, trainings=len(succeeded), longest_gap_s=round(max(gaps), 1)))
    assert len(succeeded) > 1
    assert max(gaps) <= 2 * TRAINING_SECONDS + OWN_SECONDS
