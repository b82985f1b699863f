"""What to judge next: situations of a line, told record by record."""

import pytest

from pushline.evaluator.verdict import Evaluation, next_evaluation
from pushline.line.events import NOTHING_LIVE
from tests.fixtures.evaluator.story import ALL_PARTITIONS, Story, digest_of


def generations(works: list[Evaluation]) -> list[int]:
    return [work.trained.event.generation for work in works]


def running(works: list[Evaluation]) -> dict[str, Evaluation]:
    return {work.key: work for work in works}


def test_a_first_trained_run_is_judged_against_nothing() -> None:
    story = Story()
    trained = story.trained(1)

    (work,) = story.open()

    assert work == Evaluation(trained, NOTHING_LIVE, None)
    assert work.key == f"{trained.event.run_id}/none"


def test_a_run_is_judged_against_what_is_live() -> None:
    story = Story()
    story.live(1)
    story.trained(2)

    (work,) = story.open()

    assert work.baseline == digest_of(1)
    assert work.champion is not None
    assert work.champion.digest == digest_of(1)


def test_the_newest_run_comes_first() -> None:
    story = Story()
    for generation in (1, 2, 3):
        story.trained(generation)

    assert generations(story.open()) == [3, 2, 1]


def test_a_rerun_is_newer_than_its_push_and_older_than_the_next_one() -> None:
    story = Story()
    story.trained(1)
    story.trained(2)
    story.trained_after(story.rerun(1, 2), "a" * 64)

    ranks = [(work.trained.event.generation, work.trained.event.attempt) for work in story.open()]

    assert ranks == [(2, 1), (1, 2), (1, 1)]


@pytest.mark.parametrize("outcome", ["failed", "superseded"])
def test_a_run_without_a_model_is_not_judged(outcome: str) -> None:
    story = Story()
    story.trained(1, outcome)

    assert story.open() == []


def test_a_run_in_training_is_not_judged() -> None:
    story = Story()
    story.push(1)

    assert story.open() == []


@pytest.mark.parametrize("verdict", ["accepted", "rejected", "inconclusive", "failed"])
def test_a_judged_run_is_not_judged_again(verdict: str) -> None:
    story = Story()
    story.evaluated(story.trained(1), NOTHING_LIVE, verdict)

    assert story.open() == []


def test_a_run_with_an_outcome_is_not_judged() -> None:
    story = Story()
    trained = story.trained(1)
    story.evaluated(trained, NOTHING_LIVE, "rejected")
    story.deployed(trained, "close")

    assert story.open() == []


def test_a_new_live_model_makes_open_runs_above_the_fence_be_judged_anew() -> None:
    story = Story()
    first, second, third = story.trained(1), story.trained(2), story.trained(3)
    for trained in (first, second, third):
        story.evaluated(trained, NOTHING_LIVE)
    story.deployed(first)

    works = story.open()

    assert generations(works) == [3, 2]
    assert {work.baseline for work in works} == {digest_of(1)}


def test_a_run_below_the_fence_is_the_deployers_to_close() -> None:
    story = Story()
    story.trained(1)
    story.live(2)

    assert story.open() == []


def test_a_rollback_fences_off_every_push_before_it() -> None:
    story = Story()
    first = story.live(1)
    story.live(2)
    story.trained(3)
    story.deployed(first, "rollback")

    assert story.open() == []

    story.trained(4)
    assert generations(story.open()) == [4]


def test_a_barred_digest_is_not_judged() -> None:
    story = Story()
    first = story.live(1)
    story.live(2)
    story.deployed(first, "rollback")
    story.trained_after(story.push(3), digest_of(2))

    assert story.open() == []


def test_a_model_on_hold_is_judged_all_the_same() -> None:
    story = Story()
    first = story.live(1)
    story.deployed(first, "hold")
    story.trained(2)

    assert generations(story.open()) == [2]


def test_what_runs_is_not_started_twice() -> None:
    story = Story()
    story.trained(1)

    assert story.open(running(story.open())) == []


def test_an_evaluation_against_what_is_no_longer_live_is_cancelled_and_started_anew() -> None:
    story = Story()
    first = story.trained(1)
    story.trained(2)
    under_way = running([work for work in story.open() if work.trained.event.generation == 2])
    story.evaluated(first, NOTHING_LIVE)
    story.deployed(first)

    decision = next_evaluation(story.ledger, ALL_PARTITIONS, under_way)

    assert decision.cancel == tuple(under_way)
    assert [work.baseline for work in decision.start] == [digest_of(1)]


def test_an_evaluation_that_somebody_else_answered_is_cancelled() -> None:
    story = Story()
    trained = story.trained(1)
    under_way = running(story.open())
    story.evaluated(trained, NOTHING_LIVE)

    assert next_evaluation(story.ledger, ALL_PARTITIONS, under_way).cancel == tuple(under_way)


def test_another_replicas_partition_is_left_alone_and_what_runs_there_runs_on() -> None:
    story = Story()
    story.trained(1)
    under_way = running(story.open())

    elsewhere: frozenset[int] = frozenset()
    assert next_evaluation(story.ledger, elsewhere, {}).start == ()
    assert next_evaluation(story.ledger, elsewhere, under_way).cancel == ()


def test_models_take_turns() -> None:
    story = Story("alpha")
    for generation in (1, 2):
        story.trained(generation)
    other = Story("beta", story.ledger, offsets=story.offsets)
    for generation in (1, 2):
        other.trained(generation)

    works = story.open()

    assert [(work.trained.event.model, work.trained.event.generation) for work in works] == [
        ("alpha", 2),
        ("beta", 2),
        ("alpha", 1),
        ("beta", 1),
    ]
