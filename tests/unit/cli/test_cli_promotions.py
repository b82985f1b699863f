"""`pushline promote`: over an inconclusive verdict alone; for every other state one sentence that says what the run is."""

from collections.abc import Callable

import pytest

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.promotions import promote
from pushline.line.events import ModelTrained
from tests.unit.cli.story import MODEL, Story, a_story, digest_of, sha_of

ADA = Person("ada", "looked at it by hand")


def judged(story: Story, word: str, verdict: str) -> None:
    story.push(word)
    story.train(word)
    story.judge(word, verdict)


def test_an_inconclusive_run_goes_live_by_a_person() -> None:
    with a_story("one") as story:
        judged(story, "two", "inconclusive")

        event, over = promote(story.line(), story.run("two").run_id, ADA)
        story.publish(event)

        assert over.now
        assert story.line().live_digest == digest_of("two")
        assert (story.run("two").outcome, event.caused_by, event.actor) == ("deployed", "", "ada")


def test_a_run_that_was_closed_as_inconclusive_goes_live_and_keeps_its_outcome() -> None:
    with a_story("one") as story:
        judged(story, "two", "inconclusive")
        story.close("two", "rejected")

        story.publish(promote(story.line(), story.run("two").run_id, ADA)[0])

        assert story.line().live_digest == digest_of("two")
        assert story.run("two").outcome == "rejected"


def test_a_verdict_against_an_older_model_is_gone_over_and_said() -> None:
    with a_story("one", "two") as story:
        judged(story, "three", "inconclusive")
        story.close("three", "rejected")
        story.publish(acts.redeploy(story.line(), sha_of("one"), ADA))

        event, over = promote(story.line(), story.run("three").run_id, ADA)
        story.publish(event)

        assert (over.now, over.event.baseline_digest) == (False, digest_of("two"))
        assert story.line().live_digest == digest_of("three")


def in_training(story: Story) -> None:
    story.push("two")


def failed(story: Story) -> None:
    run = story.push("two")
    place = (MODEL, run.run_id, 2, 1, run.commit, run.push.id)
    story.publish(ModelTrained(*place, "failed", "script_failed", "it raised", "", "", (), "bubblewrap"))


def unjudged(story: Story) -> None:
    story.push("two")
    story.train("two")


def accepted(story: Story) -> None:
    judged(story, "two", "accepted")


def held(story: Story) -> None:
    accepted(story)
    story.publish(acts.hold(story.line(), ADA))


def rejected(story: Story) -> None:
    judged(story, "two", "rejected")
    story.close("two", "rejected")


def failed_the_check(story: Story) -> None:
    judged(story, "two", "failed")


def live(story: Story) -> None:
    story.promote("two")


def live_before(story: Story) -> None:
    story.promote("two")
    story.promote("three")


def on_hold(story: Story) -> None:
    judged(story, "two", "inconclusive")
    story.publish(acts.hold(story.line(), ADA))


def overtaken(story: Story) -> None:
    judged(story, "two", "inconclusive")
    story.promote("three")


def rolled_back(story: Story) -> None:
    story.promote("zero")
    judged(story, "two", "inconclusive")
    story.publish(acts.rollback(story.line(), "previous", ADA))


def superseded(story: Story) -> None:
    accepted(story)
    story.promote("three")
    story.close("two", "superseded")


REFUSED: dict[Callable[[Story], None], str] = {
    in_training: "is not trained yet: wait for its verdict",
    failed: "failed, and has no model to put live: pushline rerun",
    unjudged: "is not judged yet",
    accepted: "needs no promote: it is accepted, and goes live by itself",
    held: "is accepted and rests, as digits is on hold: pushline release",
    rejected: "needs no promote: it was rejected: pushline redeploy",
    failed_the_check: "needs no promote: it failed",
    live: "is live already",
    live_before: "was live before: pushline rollback or redeploy",
    on_hold: "cannot be promoted while digits is on hold",
    overtaken: "is older than what was deployed or rolled back since: pushline redeploy",
    rolled_back: "is older than what was deployed or rolled back since: pushline redeploy",
    superseded: "was accepted, and superseded by a newer one: pushline redeploy",
}


@pytest.mark.parametrize("state", REFUSED, ids=lambda state: state.__name__)
def test_a_run_in_any_other_state_is_refused_with_what_to_do_instead(state: Callable[[Story], None]) -> None:
    with a_story("one") as story:
        state(story)
        ends = story.ends()

        with pytest.raises(Said, match=REFUSED[state]) as caught:
            promote(story.line(), story.run("two").run_id, ADA)

        assert caught.value.code == Exit.REFUSED
        assert story.ends() == ends


def test_a_barred_digest_is_not_promoted() -> None:
    with a_story("one") as story:
        judged(story, "two", "inconclusive")
        line = story.line()
        line.barred.add(digest_of("two"))

        with pytest.raises(Said, match="is barred since a rollback: pushline redeploy alone"):
            promote(line, story.run("two").run_id, ADA)
