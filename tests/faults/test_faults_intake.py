"""Promises 1 and 2: what was answered 202 is never lost, comes once, and a push is found though its webhook never came."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.codec import decode
from pushline.line.events import CommitPushed
from tests.faults import intake_kills, intake_missed, intake_repeats
from tests.faults.accepting import verdict_on
from tests.faults.delivering import Delivery, Told
from tests.faults.evidence import all_records
from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.pushing import Branch, branches

SEED, PARTITIONS = 7, 4
INTERVAL_SECONDS = 1
MODELS = {
    f"{kind}-{number}": f'reconcile_interval = "{INTERVAL_SECONDS if kind == "missed" else 3}s"'
    for kind in ("killed", "repeated", "missed")
    for number in range(4)
} | {"judged-0": ""}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultLine]:
    """A trainer alone: its runs fail for want of a script, which is an outcome."""
    command = [sys.executable, "-m", "tests.faults.quick_forge"]
    wish = Wish(MODELS, Path(sys.executable), ("trainer",), commands={"trainer": command})
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


@pytest.fixture
def of(line: FaultLine) -> Iterator[Callable[[str], tuple[Branch, ...]]]:
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(
            branches({name: each for name, each in line.repositories.items() if name.startswith(kind)}, 400)
        )


@pytest.mark.timeout(600)
def test_no_webhook_that_was_answered_202_is_lost_while_broker_and_trainer_are_killed(
    line: FaultLine, of: Callable[[str], tuple[Branch, ...]], say: Callable[[str], None]
) -> None:
    campaign = intake_kills.Campaign(line, of("killed"), SEED)
    campaign.run(broker_kills=1, trainer_kills=2, least_pushes=100)

    verdict, told = campaign.told()
    say(told)
    assert (verdict.sentences, campaign.wrong) == ([], [])
    assert sum(each.status == 202 for each in campaign.pusher.told) > 20


@pytest.mark.timeout(600)
def test_a_push_that_is_told_many_times_in_any_order_is_one_run(
    line: FaultLine, of: Callable[[str], tuple[Branch, ...]], say: Callable[[str], None]
) -> None:
    campaign = intake_repeats.Campaign(line, of("repeated"), SEED)
    campaign.run(pushes=30, times=10)

    verdict, told = campaign.told()
    say(told)
    assert verdict.sentences == []
    assert {each.status for each in campaign.deliveries} == {200, 202}
    assert campaign.permutations == 24


@pytest.mark.timeout(600)
def test_a_push_whose_webhook_never_comes_is_found_within_the_interval(
    line: FaultLine, of: Callable[[str], tuple[Branch, ...]], say: Callable[[str], None]
) -> None:
    campaign = intake_missed.Campaign(line, of("missed"), SEED, rest=3 * INTERVAL_SECONDS)
    campaign.run(pushes=20)

    verdict, unhealed, told = campaign.told()
    say(told)
    assert (verdict.sentences, unhealed) == ([], 0)


def test_the_oracle_sees_what_is_lost_doubled_wrong_and_untrue(line: FaultLine, of: Callable[[str], tuple[Branch, ...]]) -> None:
    (branch,) = of("judged")
    model = branch.model
    for _ in range(2):
        status, answer = line.seen.hint(model, branch.push())
        assert status == 202, answer
        line.seen.ended(str(answer["run_id"]))
    others = [record for record in all_records(line.seen.log) if record.key == model.encode()]
    entries = [entry for entry in map(decode, others) if isinstance(entry.event, CommitPushed)]
    pushed = {model: branch.moved}
    event = entries[-1].event
    told = Told(Delivery(model, event.commit.sha, "github"), 202, answer, 1.0, 2.0, 1)
    assert verdict_on(others, PARTITIONS, [told], pushed).sentences == []

    without = [record for record in others if not (record.topic == "commit" and decode(record).id == entries[-1].id)]
    assert verdict_on(without, PARTITIONS, [told], pushed).lost
    assert verdict_on(without, PARTITIONS, [told], pushed).wrong
    unanswered = [record for record in others if record.topic == "commit"]
    assert verdict_on(unanswered, PARTITIONS, [told], pushed).lost
    assert verdict_on(others, PARTITIONS, [replace(told, body={**answer, "run_id": entries[0].event.run_id})], pushed).lost
    assert verdict_on(others, PARTITIONS, [told], {model: branch.moved[:-1]}).extra
    assert verdict_on(others, PARTITIONS, [told], {model: branch.moved[::-1]}).extra
    assert verdict_on(others, PARTITIONS, [told], pushed, {event.commit.sha: 0.5}).untrue
