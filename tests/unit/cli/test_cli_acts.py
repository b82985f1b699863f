import pytest

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.races import lost_race
from tests.unit.cli.story import MODEL, a_story, digest_of, sha_of

ADA = Person("ada", "worse on Mondays")


def test_a_rollback_goes_to_what_was_live_before() -> None:
    with a_story("one", "two") as story:
        story.publish(acts.rollback(story.line(), "previous", ADA))

        line = story.line()
        assert line.live_digest == digest_of("one")
        assert line.barred == {digest_of("two")}
        assert line.newest_deployed is not None
        assert line.newest_deployed.event.actor == "ada"


def test_a_second_rollback_to_previous_leaves_out_what_the_first_one_barred() -> None:
    with a_story("one", "two", "three") as story:
        story.publish(acts.rollback(story.line(), "previous", ADA))

        story.publish(acts.rollback(story.line(), "previous", ADA))

        assert story.line().live_digest == digest_of("one")


@pytest.mark.parametrize("to", [digest_of("one")[:8], sha_of("one")[:8], sha_of("one")])
def test_a_rollback_takes_a_prefix_of_digest_or_commit(to: str) -> None:
    with a_story("one", "two", "three") as story:
        assert acts.rollback(story.line(), to, ADA).digest == digest_of("one")


def test_a_rollback_raises_the_floor_to_the_newest_generation() -> None:
    with a_story("one", "two") as story:
        story.push("three")

        assert acts.rollback(story.line(), "previous", ADA).floor_generation == 3


def test_a_redeploy_repeats_the_floor_and_lifts_the_bar() -> None:
    with a_story("one", "two") as story:
        story.publish(acts.rollback(story.line(), "previous", ADA))
        story.push("three")

        story.publish(acts.redeploy(story.line(), sha_of("two"), ADA))

        assert story.line().live_digest == digest_of("two")
        assert story.line().floor_generation == 2
        assert story.line().barred == set()


def test_the_number_is_above_every_number_that_was_read() -> None:
    with a_story("one", "two") as story:
        event = acts.rollback(story.line(), "previous", ADA)

        assert (event.previous, event.deploy_seq) == (2, 3)


def test_a_rejected_model_can_be_redeployed_by_a_person() -> None:
    with a_story("one") as story:
        story.push("two")
        story.train("two")
        story.judge("two", "rejected")

        story.publish(acts.redeploy(story.line(), sha_of("two"), ADA))

        assert story.line().live_digest == digest_of("two")


def test_a_model_that_failed_the_check_cannot_be_redeployed() -> None:
    with a_story("one") as story:
        story.push("two")
        story.train("two")
        story.judge("two", "failed")

        with pytest.raises(Said, match="has files that a predictor may open") as caught:
            acts.redeploy(story.line(), sha_of("two"), ADA)

        assert caught.value.code == Exit.NOT_FOUND


def test_rolling_back_to_what_is_live_is_refused() -> None:
    with a_story("one", "two") as story, pytest.raises(Said, match="is what serves digits now") as caught:
        acts.rollback(story.line(), sha_of("two"), ADA)

    assert caught.value.code == Exit.REFUSED


@pytest.mark.parametrize(("to", "code"), [("previous", Exit.NOT_FOUND), ("abcd1234", Exit.NOT_FOUND), ("ab", Exit.USAGE)])
def test_a_target_that_is_not_there_is_a_sentence(to: str, code: Exit) -> None:
    with a_story("one") as story, pytest.raises(Said) as caught:
        acts.rollback(story.line(), to, ADA)

    assert caught.value.code == code


def test_who_lost_a_race_is_told_what_happened_instead() -> None:
    with a_story("one", "two") as story:
        mine = acts.rollback(story.line(), "previous", ADA)
        story.publish(acts.redeploy(story.line(), sha_of("two"), Person("bob", "first")))

        sentence = lost_race(story.line(), mine, "deploy_previous")

        assert f"bob was faster with a redeploy to {digest_of('two')[:12]}" in sentence
        assert MODEL not in sentence or "deploy_seq 3" in sentence
