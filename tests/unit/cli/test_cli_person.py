import pytest

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.person import Act, Decide, Decided, perform, person
from pushline.cli.stored import verify
from pushline.cli.targets import PREVIOUS, model_of
from pushline.line.events import ModelDeployed
from pushline.line.ledger import Ledger, ModelLine
from pushline.line.memory import Fate
from pushline.objects.memory_store import MemoryStore
from tests.unit.cli.story import MODEL, Story, a_story, digest_of, sha_of

ADA = Person("ada", "worse on Mondays")


def roll_back(model: str = MODEL) -> Act:
    def decide(ledger: Ledger, who: Person) -> Decided:
        return Decided(acts.rollback(model_of(ledger, model), PREVIOUS, who))

    return act(decide)


def act(decide: Decide) -> Act:
    return Act(ADA, decide, served_seconds=0)


def test_an_act_is_published_and_read_back() -> None:
    with a_story("one", "two") as story:
        done = perform(story.open, roll_back())

        assert done.event.deploy_seq == 3
        assert story.line().live_digest == digest_of("one")


def test_an_act_on_an_unknown_model_names_the_known_ones() -> None:
    with a_story("one") as story, pytest.raises(Said, match="there is digits") as caught:
        perform(story.open, roll_back("letters"))

    assert caught.value.code == Exit.NOT_FOUND


def test_nothing_is_written_when_a_file_is_missing() -> None:
    with a_story("one", "two") as story:
        empty = Story.__new__(Story)
        empty.open = type(story.open)(story.log, story.tail, MemoryStore())

        with pytest.raises(Said, match="Nothing changed") as caught:
            perform(empty.open, roll_back())

        assert caught.value.code == Exit.REFUSED
        assert story.line().deploy_seq == 2


def test_files_that_verify_raise_nothing() -> None:
    with a_story("one") as story:
        verify(story.store, MODEL, story.line().live[0])


def test_an_act_that_lost_its_race_tells_who_was_faster() -> None:
    with a_story("one", "two") as story:

        def too_late(line: ModelLine, who: Person) -> ModelDeployed:
            mine = acts.rollback(line, "previous", who)
            bobs.append(acts.redeploy(line, sha_of("two"), Person("bob", "first")))
            return mine

        bobs: list[ModelDeployed] = []
        mine = too_late(story.line(), ADA)
        story.publish(bobs[0])

        with pytest.raises(Said, match="bob was faster with a redeploy") as caught:
            perform(story.open, act(lambda _ledger, _who: Decided(mine)))

        assert caught.value.code == Exit.REFUSED


def test_an_unknown_append_that_is_in_the_log_is_found() -> None:
    with a_story("one", "two") as story:
        story.log.fail_next(Fate.WRITTEN)

        perform(story.open, roll_back())

        assert story.line().live_digest == digest_of("one")


def test_an_unknown_append_that_is_not_in_the_log_says_look_first() -> None:
    with a_story("one", "two") as story:
        story.log.fail_next(Fate.LOST)

        with pytest.raises(Said, match="unknown whether the rollback is in the log") as caught:
            perform(story.open, roll_back())

        assert caught.value.code == Exit.UNKNOWN


def test_a_reason_is_demanded() -> None:
    with pytest.raises(Said, match="--reason"):
        person("ada", "  ")
