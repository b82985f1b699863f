"""What a replica does next about one model: a table of situations."""

import pytest

from pushline.predictor.rollout import (
    LONGEST_RETRY_SECONDS,
    NO_FLOW,
    NO_TROUBLE,
    NOTHING_FOLLOWED,
    REPORT_AFTER,
    Followed,
    Sight,
    Step,
    Trouble,
    Wanted,
    after_begin,
    after_failure,
    after_look,
    next_step,
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


def loads_in(records: list[float], load_seconds: float) -> tuple[int, int]:
    """Play records that come at these times; give the loads, and which record the last one was of."""
    flow, followed, loading, count = NO_FLOW, NOTHING_FOLLOWED, (0, 0.0), 0
    for millisecond in range(int((records[-1] + 3) * 1000)):
        now = millisecond / 1000
        newest = sum(at <= now for at in records)
        if loading[0] and now >= loading[1]:
            followed, loading = Followed(loading[0], str(loading[0]), loaded=True), (0, 0.0)
        wanted = Wanted(newest, str(newest), empty=False) if newest else None
        flow = after_look(flow, wanted, True, followed, now)
        if next_step(Sight(wanted, True, False, bool(loading[0]), flow.load_at), followed, NO_TROUBLE, now) is Step.LOAD:
            flow, loading, count = after_begin(flow, now), (newest, now + load_seconds), count + 1
    return count, followed.deploy_seq


@pytest.mark.parametrize("load_seconds", [0.005, 0.05, 0.5])
def test_a_storm_costs_few_loads_and_ends_on_the_last(load_seconds: float) -> None:
    count, last = loads_in([0.2 + number / 500 for number in range(1000)], load_seconds)

    assert last == 1000
    assert 2 <= count <= 5


def test_records_that_each_follow_a_load_are_loaded_one_by_one() -> None:
    assert loads_in([0.2 + number * 0.06 for number in range(20)], 0.05) == (20, 20)


def test_a_record_right_behind_another_one_is_waited_for_no_longer_than_a_moment() -> None:
    """A rollback right behind a deployment."""
    flow = after_look(NO_FLOW, FIVE, True, SERVES_FOUR, NOW)
    behind = after_look(flow, Wanted(6, "six", empty=False), True, SERVES_FOUR, NOW + 0.03)

    assert flow.load_at == NOW
    assert behind.load_at == pytest.approx(NOW + 0.13)


def test_history_that_is_read_at_the_start_is_no_storm() -> None:
    flow = after_look(NO_FLOW, Wanted(4, "four", empty=False), False, NOTHING_FOLLOWED, NOW)

    assert after_look(flow, FIVE, False, NOTHING_FOLLOWED, NOW + 0.001).load_at == NOW + 0.001
