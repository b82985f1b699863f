"""`pushline hold` and `pushline release`."""

import pytest

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.person import Act, Decided, perform
from pushline.cli.races import lost_race
from tests.unit.cli.story import MODEL, a_story, digest_of, sha_of

ADA, BOB = Person("ada", "release week"), Person("bob", "all is well")


def test_a_hold_lets_accepted_runs_rest_until_the_release() -> None:
    with a_story("one") as story:
        story.publish(acts.hold(story.line(), ADA))
        story.push("two")
        story.train("two")
        story.judge("two")

        assert (story.run("two").stage, story.line().live_digest) == ("held", digest_of("one"))
        story.publish(acts.release(story.line(), BOB))
        assert story.run("two").stage == "deciding"


def test_hold_and_release_repeat_what_serves() -> None:
    with a_story("one") as story:
        held = acts.hold(story.line(), ADA)

        assert held.serving == story.line().live
        assert (held.run_id, held.digest) == (story.run("one").run_id, digest_of("one"))


def test_a_model_of_which_nothing_is_live_can_be_held() -> None:
    with a_story() as story:
        story.push("one")

        story.publish(acts.hold(story.line(), ADA))
        story.publish(acts.release(story.line(), ADA))

        assert (story.line().on_hold, story.line().live, story.line().deploy_seq) == (False, (), 2)


def test_a_hold_of_a_held_model_and_a_release_of_one_that_is_not_are_refused() -> None:
    with a_story("one") as story:
        with pytest.raises(Said, match="is not on hold") as no_hold:
            acts.release(story.line(), ADA)
        story.publish(acts.hold(story.line(), ADA))
        with pytest.raises(Said, match=r"on hold already \(hold by ada: release week\)") as held:
            acts.hold(story.line(), BOB)

    assert (no_hold.value.code, held.value.code) == (Exit.REFUSED, Exit.REFUSED)


def test_rollback_and_redeploy_work_while_a_model_is_on_hold() -> None:
    with a_story("one", "two") as story:
        story.publish(acts.hold(story.line(), ADA))

        story.publish(acts.rollback(story.line(), "previous", BOB))
        story.publish(acts.redeploy(story.line(), sha_of("two"), BOB))

        assert (story.line().live_digest, story.line().on_hold) == (digest_of("two"), True)


def test_who_lost_against_a_hold_is_told_by_whom_and_why() -> None:
    with a_story("one", "two") as story:
        mine = acts.rollback(story.line(), "previous", BOB)
        story.publish(acts.hold(story.line(), ADA))

        said = lost_race(story.line(), mine, "deploy_previous")

    assert said.startswith("Nothing changed by you: ada was faster with a hold of digits, deploy_seq 3: release week.")


def test_a_hold_needs_no_file_and_waits_for_no_replica() -> None:
    with a_story("one") as story:
        story.serve("replica")
        story.store.set_unavailable(True)

        done = perform(story.open, Act(ADA, lambda ledger, who: Decided(acts.hold(ledger.models[MODEL], who))))

        assert (done.event.kind, done.served_by) == ("hold", ())
