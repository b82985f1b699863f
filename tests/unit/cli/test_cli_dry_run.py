"""--dry-run: what would happen, by the fold itself; nothing is written; and what was foretold is what happens."""

import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from rich.console import Console

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.foreseen import Foreseen, foreseen
from pushline.cli.person import Act, Decide, Decided, would
from pushline.cli.promotions import promote
from pushline.cli.targets import model_of
from pushline.cli.terminal import Terminal
from pushline.line.events import ModelDeployed
from pushline.line.ledger import Ledger, prospect
from pushline.objects import keys
from tests.unit.cli.story import MODEL, Story, a_story, digest_of, sha_of

ADA = Person("ada", "worse on Mondays")


def see(story: Story, event: ModelDeployed) -> Foreseen:
    with story.tail.read() as ledger:
        return foreseen(ledger, event)


def a_terminal() -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=80), Console(file=io.StringIO(), width=80), {})


def told(story: Story, decide: Callable[[Ledger, Person], ModelDeployed], *, as_json: bool = False) -> str:
    terminal = a_terminal()
    would(terminal, story.open, Act(ADA, lambda ledger, who: Decided(decide(ledger, who)), dry_run=True, as_json=as_json))
    assert isinstance(terminal.out.file, io.StringIO)
    return terminal.out.file.getvalue()


def back(ledger: Ledger, who: Person) -> ModelDeployed:
    return acts.rollback(model_of(ledger, MODEL), "previous", who)


def test_a_rollback_tells_bars_floor_and_the_open_runs_that_it_closes() -> None:
    with a_story("one", "two", "three") as story:
        story.push("four")

        seen = see(story, acts.rollback(story.line(), sha_of("one"), ADA))

        assert (seen.live_before, seen.live_after) == (digest_of("three"), digest_of("one"))
        assert set(seen.barred) == {digest_of("two"), digest_of("three")}
        assert (seen.floor_before, seen.floor_after) == (0, 4)
        assert [(run.commit, run.prospect, run.changes) for run in seen.runs] == [(sha_of("four"), "too_old", True)]


def test_a_redeploy_tells_the_bar_that_it_lifts_and_who_is_judged_anew() -> None:
    with a_story("one", "two") as story:
        story.publish(acts.rollback(story.line(), "previous", ADA))
        story.push("three")
        story.train("three")
        story.judge("three", "rejected")

        seen = see(story, acts.redeploy(story.line(), sha_of("two"), ADA))

        assert seen.unbarred == (digest_of("two"),)
        assert [(run.prospect, run.changes) for run in seen.runs] == [("unjudged", True)]


def test_a_release_names_the_held_run_that_goes_live_and_those_behind_it() -> None:
    with a_story("one") as story:
        story.publish(acts.hold(story.line(), ADA))
        for word in ("two", "three"):
            story.push(word)
            story.train(word)
            story.judge(word)

        seen = see(story, acts.release(story.line(), ADA))

        assert seen.goes_live == story.run("three").run_id
        assert [(run.commit, run.prospect) for run in seen.runs] == [(sha_of("three"), "promotable"), (sha_of("two"), "too_old")]
        text = told(story, lambda ledger, who: acts.release(model_of(ledger, MODEL), who))
        assert "goes live by itself" in text
        assert "3 objects" in text


def test_a_release_of_a_run_whose_files_are_gone_says_so_and_refuses_nothing() -> None:
    with a_story("one") as story:
        story.publish(acts.hold(story.line(), ADA))
        story.push("two")
        story.train("two")
        story.judge("two")
        lose(story, "two")

        text = told(story, lambda ledger, who: acts.release(model_of(ledger, MODEL), who), as_json=True)

        assert "cannot be served: no object under" in json.loads(text)["files"]["problem"]


def test_a_hold_tells_what_will_rest() -> None:
    with a_story("one") as story:
        story.push("two")
        story.train("two")
        story.judge("two")

        seen = see(story, acts.hold(story.line(), ADA))

        assert [(run.prospect, run.changes) for run in seen.runs] == [("resting", True)]


def test_a_dry_run_writes_nothing_and_fits_80_columns() -> None:
    with a_story("one", "two") as story:
        story.push("three")
        ends, state = story.ends(), repr(story.line())

        text = told(story, back)

        assert "Nothing was written" in text
        assert f"rollback: digits to {digest_of('one')[:12]}" in text
        assert max(map(len, text.splitlines())) <= 80
        assert (story.ends(), repr(story.line())) == (ends, state)


def test_a_dry_run_verifies_the_files_as_the_act_does() -> None:
    with a_story("one", "two") as story:
        lose(story, "one")

        with pytest.raises(Said, match=r"no object under .*; it was removed \(pushline gc, or by hand\)") as caught:
            told(story, back)

        assert caught.value.code == Exit.REFUSED


def test_a_dry_run_for_machines_says_that_nothing_was_written() -> None:
    with a_story("one", "two") as story:
        said: dict[str, Any] = json.loads(told(story, back, as_json=True))

    assert said["written"] is False
    assert said["event"]["kind"] == "rollback"
    assert said["files"]["objects"] == 3


def lose(story: Story, word: str) -> None:
    trained = story.run(word).trained
    assert trained is not None
    file = trained.event.files[0]
    story.store.delete(keys.model_file(MODEL, file.sha256, file.name))


def an_act(story: Story, chance: Random) -> ModelDeployed:
    """One that a person may think of now. Raises Said."""
    line = story.line()
    word = chance.choice([run.commit.message.split()[0] for run in line.runs])
    acting: list[Callable[[], ModelDeployed]] = [
        lambda: acts.rollback(line, chance.choice(["previous", sha_of(word)]), ADA),
        lambda: acts.redeploy(line, sha_of(word), ADA),
        lambda: promote(line, story.run(word).run_id, ADA)[0],
        lambda: acts.hold(line, ADA),
        lambda: acts.release(line, ADA),
    ]
    return chance.choice(acting)()


def something(story: Story, chance: Random, number: int) -> None:
    """Let the line move on, in one of the ways it does."""
    word = f"word{number}"
    if not story.line().on_hold and chance.random() < 0.4:
        story.promote(word)
        return
    story.push(word)
    for step in (story.train, lambda word: story.judge(word, chance.choice(["accepted", "inconclusive", "rejected"]))):
        if chance.random() < 0.8:
            step(word)
        else:
            return


@pytest.mark.parametrize("seed", range(15))
def test_what_a_dry_run_foretells_is_what_happens(seed: int) -> None:
    chance, acted = Random(seed), 0  # noqa: S311 - chance that can be repeated, no secret
    with a_story() as story:
        for number in range(40):
            something(story, chance, number)
            try:
                event = an_act(story, chance)
            except Said:
                continue
            seen = see(story, event)
            story.publish(event)
            acted += 1
            line = story.line()
            assert (line.live_digest, line.floor_generation) == (seen.live_after, seen.floor_after)
            assert {run.run_id for run in line.runs if not run.outcome} == {run.run_id for run in seen.runs}
            comes = {run.run_id: prospect(run) for run in line.runs if not run.outcome}
            first = next((run for run, what in reversed(comes.items()) if what == "promotable"), "")
            assert seen.goes_live == first
            for run in seen.runs:
                assert run.prospect in {comes[run.run_id], "too_old"}
    assert acted >= 10


DECIDERS: dict[str, Decide] = {
    "an unknown model": lambda ledger, who: Decided(acts.hold(model_of(ledger, "letters"), who)),
    "a run of nobody": lambda ledger, who: Decided(acts.rollback(model_of(ledger, MODEL), "ffffffff", who)),
}


@pytest.mark.parametrize("case", DECIDERS)
def test_a_dry_run_refuses_what_the_act_refuses(case: str) -> None:
    with a_story("one") as story, pytest.raises(Said) as caught:
        would(a_terminal(), story.open, Act(ADA, DECIDERS[case], dry_run=True))

    assert caught.value.code == Exit.NOT_FOUND
