"""What a replica does next about one model: a table of situations."""

import pytest

from pushline.predictor.rollout import (
    LONGEST_BURST_SECONDS,
    LONGEST_RETRY_SECONDS,
    NO_TROUBLE,
    NOTHING_FOLLOWED,
    QUIET_SECONDS,
    REPORT_AFTER,
    Coming,
    Followed,
    Sight,
    Step,
    Trouble,
    Wanted,
    after_failure,
    after_look,
    is_lost,
    next_step,
    settles_at,
    why_stale,
)

NOW = 100.0
FIVE = Wanted(5, "five", empty=False)
HELD_EMPTY = Wanted(5, "five", empty=True)
SERVES_FIVE = Followed(5, "five", loaded=True)
LOST_FIVE = Followed(5, "five", loaded=False)
SERVES_FOUR = Followed(4, "four", loaded=True)
OTHER_FIVE = Followed(5, "another five", loaded=True)
SERVES_SIX = Followed(6, "six", loaded=True)
LOST_SIX = Followed(6, "six", loaded=False)
FAILED_FOR_GOOD = Trouble("five", permanent=True, failures=1, retry_at=0.0)
FAILED_DUE = Trouble("five", permanent=False, failures=2, retry_at=NOW)
FAILED_WAITING = Trouble("five", permanent=False, failures=2, retry_at=NOW + 1)
FAILED_BEFORE = Trouble("four", permanent=True, failures=1, retry_at=0.0)


def sight(wanted: Wanted | None, caught_up: bool = True, parked: bool = False, loading: bool = False) -> Sight:
    return Sight(wanted, caught_up, parked, loading)


@pytest.mark.parametrize(
    ("seen", "followed", "trouble", "step"),
    [
        pytest.param(sight(None), NOTHING_FOLLOWED, NO_TROUBLE, Step.NOTHING, id="nothing was ever deployed"),
        pytest.param(sight(FIVE), NOTHING_FOLLOWED, NO_TROUBLE, Step.LOAD, id="a first deployment"),
        pytest.param(sight(FIVE), SERVES_FOUR, NO_TROUBLE, Step.LOAD, id="a newer deployment"),
        pytest.param(sight(FIVE), SERVES_FIVE, NO_TROUBLE, Step.NOTHING, id="served already"),
        pytest.param(sight(FIVE), LOST_FIVE, NO_TROUBLE, Step.LOAD, id="followed, but the files are lost"),
        pytest.param(sight(FIVE), OTHER_FIVE, NO_TROUBLE, Step.NOTHING, id="the same number from another history"),
        pytest.param(sight(FIVE), SERVES_SIX, NO_TROUBLE, Step.NOTHING, id="the log lost the newer record"),
        pytest.param(sight(FIVE), LOST_SIX, NO_TROUBLE, Step.NOTHING, id="the log lost it and so did the disk: never older"),
        pytest.param(sight(HELD_EMPTY), NOTHING_FOLLOWED, NO_TROUBLE, Step.NOTHING, id="a hold on a line with nothing live"),
        pytest.param(sight(FIVE, loading=True), SERVES_FOUR, NO_TROUBLE, Step.NOTHING, id="something is loading: one at a time"),
        pytest.param(sight(FIVE, caught_up=False), SERVES_FOUR, NO_TROUBLE, Step.NOTHING, id="not caught up: newest is not known"),
        pytest.param(sight(FIVE), SERVES_FOUR, FAILED_FOR_GOOD, Step.NOTHING, id="it can never be loaded here"),
        pytest.param(sight(FIVE), SERVES_FOUR, FAILED_DUE, Step.LOAD, id="a retry is due"),
        pytest.param(sight(FIVE), SERVES_FOUR, FAILED_WAITING, Step.WAIT, id="a retry is not due yet"),
        pytest.param(sight(FIVE), SERVES_FOUR, FAILED_BEFORE, Step.LOAD, id="an older record failed, this one is new"),
    ],
)
def test_the_next_step_follows_from_the_situation(seen: Sight, followed: Followed, trouble: Trouble, step: Step) -> None:
    assert next_step(seen, followed, trouble, NOW) is step


@pytest.mark.parametrize(
    ("seen", "followed", "why"),
    [
        pytest.param(sight(FIVE), SERVES_FIVE, "", id="the newest record is served"),
        pytest.param(sight(FIVE, caught_up=False), SERVES_FIVE, "cannot be read", id="the broker is away"),
        pytest.param(sight(FIVE, parked=True), SERVES_FIVE, "cannot be read", id="a newer version's record is in the way"),
        pytest.param(sight(FIVE), SERVES_FOUR, "deploy_seq 5 is wanted", id="a newer one is not loaded"),
        pytest.param(sight(FIVE), SERVES_SIX, "lacks the record", id="the log lost the record that is served"),
        pytest.param(sight(FIVE), OTHER_FIVE, "lacks the record", id="another history"),
        pytest.param(sight(None), SERVES_SIX, "lacks the record", id="the log is empty"),
    ],
)
def test_a_replica_knows_why_it_may_be_stale(seen: Sight, followed: Followed, why: str) -> None:
    said = why_stale(seen, followed)

    assert said == "" if not why else why in said


def test_a_failure_that_may_pass_is_reported_once_and_retried_with_longer_pauses() -> None:
    trouble, reports, pauses = NO_TROUBLE, 0, []
    for _ in range(20):
        trouble = after_failure(trouble, "five", permanent=False, now=NOW)
        reports += trouble.to_report
        pauses.append(trouble.retry_at - NOW)

    assert reports == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_RETRY_SECONDS


def test_a_failure_for_good_is_reported_at_once() -> None:
    assert REPORT_AFTER > 1
    assert after_failure(NO_TROUBLE, "five", permanent=True, now=NOW).to_report


def test_another_record_starts_with_a_clean_sheet() -> None:
    trouble = after_failure(FAILED_DUE, "six", permanent=False, now=NOW)

    assert trouble.failures == 1


def test_a_single_new_record_is_loaded_at_once() -> None:
    coming = after_look(None, FIVE, SERVES_FOUR, NOW)

    assert coming == Coming("five", NOW, NOW)
    assert settles_at(coming, FIVE, SERVES_FOUR) == 0.0


def test_several_new_records_wait_until_no_more_come_but_not_for_ever() -> None:
    coming, seen = None, []
    for number in range(200):
        wanted = Wanted(7 + number, f"record {number}", empty=False)
        coming = after_look(coming, wanted, SERVES_FOUR, NOW + number * 0.01)
        seen.append(settles_at(coming, wanted, SERVES_FOUR))

    assert seen[0] == NOW + QUIET_SECONDS
    assert max(seen) == NOW + LONGEST_BURST_SECONDS
    assert next_step(Sight(FIVE, True, False, False, NOW + 1), SERVES_FOUR, NO_TROUBLE, NOW) is Step.WAIT
    assert next_step(Sight(FIVE, True, False, False, NOW), SERVES_FOUR, NO_TROUBLE, NOW) is Step.LOAD


def test_where_nothing_serves_nothing_is_waited_for() -> None:
    assert settles_at(after_look(None, FIVE, NOTHING_FOLLOWED, NOW), FIVE, NOTHING_FOLLOWED) == 0.0


def test_what_is_followed_ends_a_burst() -> None:
    assert after_look(Coming("five", NOW, NOW), FIVE, SERVES_FIVE, NOW) is None


@pytest.mark.parametrize(
    ("seen", "followed", "lost"),
    [
        (sight(FIVE), SERVES_SIX, True),
        (sight(None), SERVES_SIX, True),
        (sight(FIVE), OTHER_FIVE, True),
        (sight(FIVE), SERVES_FIVE, False),
        (sight(FIVE), SERVES_FOUR, False),
        (sight(FIVE, caught_up=False), SERVES_SIX, False),
        (sight(FIVE, parked=True), SERVES_SIX, False),
        (sight(None), NOTHING_FOLLOWED, False),
        (sight(FIVE), LOST_SIX, False),
    ],
)
def test_a_replica_says_again_what_it_serves_where_the_log_was_read_and_lost_it(
    seen: Sight, followed: Followed, lost: bool
) -> None:
    assert is_lost(seen, followed) is lost
