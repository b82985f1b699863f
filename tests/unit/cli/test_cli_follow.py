import io
import json
import threading
from collections.abc import Iterator

import pytest
from rich.console import Console

from pushline.cli import acts
from pushline.cli.acts import Person, rerun_of, rerun_prospect
from pushline.cli.exits import Exit, Said
from pushline.cli.follow import Patience, await_run, follow, look_at, patience
from pushline.cli.follow_view import JsonShow, TextShow, tell
from pushline.cli.races import lost_rerun
from pushline.cli.rerun import publish_rerun
from pushline.cli.terminal import Terminal
from pushline.line.events import CommitPushed, ModelDeployed, ModelTrained, Serving
from pushline.objects import keys
from tests.unit.cli.story import MODEL, Story, a_story, digest_of, sha_of

ADA = Person("ada", "once more")
SOON = Patience(served=1, timeout_seconds=0.2, appear_seconds=0.2)


@pytest.fixture
def story() -> Iterator[Story]:
    with a_story("one") as told:
        yield told


def a_terminal() -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=100), Console(file=io.StringIO(), width=100), {})


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def follow_word(story: Story, word: str, limits: Patience = SOON) -> tuple[Exit, str]:
    ended = follow(story.open, story.run(word).run_id, limits, TextShow(a_terminal(), log=True))
    return ended.code, ended.sentence


def close(story: Story, word: str, outcome: str) -> None:
    run, line = story.run(word), story.line()
    assert run.verdict is not None
    story.publish(
        ModelDeployed(
            MODEL, run.run_id, run.generation, 1, run.commit, run.verdict.id, "close", 0, line.deploy_seq, line.live_digest,
            line.floor_generation, "", outcome, "below_gate", "accuracy 0.1 is under the gate's minimum 0.9", (), digest_of(word),
        )
    )  # fmt: skip


def end_training(story: Story, word: str, outcome: str) -> None:
    run = story.run(word)
    story.publish(
        ModelTrained(
            MODEL, run.run_id, run.generation, 1, run.commit, run.push.id, outcome, "script_failed", "it raised", "", "", (), ""
        )
    )  # fmt: skip


def hold(story: Story) -> None:
    line = story.line()
    live: Serving = line.live[0]
    story.publish(
        ModelDeployed(
            MODEL, live.run_id, live.generation, live.attempt, live.commit, "", "hold", line.deploy_seq + 1, line.deploy_seq,
            line.live_digest, line.floor_generation, "ada", "", "wait", "", line.live, line.live_digest,
        )
    )  # fmt: skip


def test_a_commit_that_a_replica_serves_is_live(story: Story) -> None:
    story.serve("predictor-1")

    code, sentence = follow_word(story, "one")

    assert code == Exit.OK
    assert "is live (deploy_seq 1" in sentence


def test_deployed_and_served_by_too_few_is_a_time_out_that_says_so(story: Story) -> None:
    story.serve("predictor-1")

    code, sentence = follow_word(story, "one", Patience(2, 0.1, 0.1))

    assert code == Exit.TIMED_OUT
    assert "1 of 2 replicas serve it" in sentence


def test_deployed_is_enough_where_no_replica_is_asked_for(story: Story) -> None:
    assert follow_word(story, "one", Patience(0, 0.1, 0.1))[0] == Exit.OK


def test_a_rejected_run_ends_with_its_code_and_reason(story: Story) -> None:
    story.push("two")
    story.train("two")
    story.judge("two", "rejected")
    close(story, "two", "rejected")

    code, sentence = follow_word(story, "two")

    assert code == Exit.RUN_REJECTED
    assert "was rejected (below_gate): accuracy 0.1 is under" in sentence


@pytest.mark.parametrize(("outcome", "code"), [("failed", Exit.RUN_FAILED), ("superseded", Exit.RUN_SUPERSEDED)])
def test_a_training_that_ended_otherwise_has_a_code_of_its_own(story: Story, outcome: str, code: Exit) -> None:
    story.push("two")
    end_training(story, "two", outcome)

    assert follow_word(story, "two")[0] == code


def test_an_accepted_run_of_a_model_on_hold_is_held(story: Story) -> None:
    hold(story)
    story.push("two")
    story.train("two")
    story.judge("two")

    assert follow_word(story, "two")[0] == Exit.RUN_HELD


def test_a_run_that_was_live_and_is_not_any_more_is_replaced(story: Story) -> None:
    story.promote("two")

    code, sentence = follow_word(story, "one")

    assert code == Exit.RUN_REPLACED
    assert f"live is commit {sha_of('two')[:10]}" in sentence


def test_a_run_on_its_way_is_a_time_out_that_names_its_stage(story: Story) -> None:
    story.push("two")

    code, sentence = follow_word(story, "two")

    assert code == Exit.TIMED_OUT
    assert "still at training" in sentence


def test_a_run_is_followed_while_it_happens(story: Story) -> None:
    run = story.push("two")
    story.store.put_bytes(keys.try_file(MODEL, run.run_id, "1-a", "log.txt"), b"first\n\x1b[31mred\n")
    terminal = a_terminal()

    def happen() -> None:
        story.train("two")
        story.judge("two", "rejected")
        close(story, "two", "rejected")

    later = threading.Timer(0.5, happen)
    later.start()
    ended = follow(story.open, run.run_id, Patience(1, 20, 1), TextShow(terminal, log=True))
    later.join()

    text = text_of(terminal.out)
    assert ended.code == Exit.RUN_REJECTED
    assert [word for word in ("pushed", "first", "\\x1b[31mred", "trained", "evaluated", "closed") if word not in text] == []
    assert text.index("first") < text.index("trained")


def test_json_is_a_line_each_change_and_the_last_says_how_it_ended(story: Story) -> None:
    terminal = a_terminal()

    follow(story.open, story.run("one").run_id, Patience(0, 1, 1), JsonShow(terminal))

    told = [json.loads(line) for line in text_of(terminal.out).splitlines()]
    assert told[-1]["ended"]["exit_code"] == 0
    assert told[-1]["run"]["outcome"] == "deployed"


def test_a_commit_that_never_comes_is_not_found(story: Story) -> None:
    terminal = a_terminal()

    with pytest.raises(Said, match="No run or commit that starts with") as caught:
        await_run(story.open, "f" * 40, "", SOON, TextShow(terminal, log=False))

    assert caught.value.code == Exit.NOT_FOUND
    assert "is not on the line yet" in text_of(terminal.err)


def test_a_commit_that_comes_later_is_waited_for(story: Story) -> None:
    later = threading.Timer(0.2, story.push, ("two",))
    later.start()

    found = await_run(story.open, sha_of("two"), MODEL, Patience(1, 20, 20), TextShow(a_terminal(), log=False))

    later.join()
    assert found == story.run("two").run_id


def test_what_is_not_live_ends_the_command_with_its_code(story: Story) -> None:
    story.push("two")
    end_training(story, "two", "failed")
    look = look_at(story.run("two"), 1)
    assert look is not None
    assert look.ending is not None

    with pytest.raises(Said) as caught:
        tell(a_terminal(), look.ending, as_json=False)

    assert caught.value.code == Exit.RUN_FAILED


@pytest.mark.parametrize(("timeout", "appear"), [("soon", "1s"), ("1h", "-1s"), ("0s", "1s")])
def test_a_duration_that_is_none_is_named(timeout: str, appear: str) -> None:
    with pytest.raises(Said, match=r"--(timeout|appear): .*duration") as caught:
        patience(1, timeout, appear)

    assert caught.value.code == Exit.USAGE


def test_a_rerun_is_the_next_attempt_of_the_same_push(story: Story) -> None:
    event = rerun_of(story.run("one"), ADA)

    publish_rerun(story.open, event)

    runs = story.line().runs
    assert [(run.generation, run.attempt, run.commit.sha) for run in runs] == [(1, 1, sha_of("one")), (1, 2, sha_of("one"))]
    assert runs[1].push.event.reason == ADA.reason
    assert rerun_of(runs[1], ADA).attempt == 3


def test_a_rerun_that_lost_its_race_names_who_was_faster(story: Story) -> None:
    mine = rerun_of(story.run("one"), ADA)
    publish_rerun(story.open, rerun_of(story.run("one"), Person("bob", "me first")))

    with pytest.raises(Said, match=r"bob was faster .* \(me first\)") as caught:
        publish_rerun(story.open, mine)

    assert caught.value.code == Exit.REFUSED


def test_a_rerun_that_the_line_refuses_names_the_rule(story: Story) -> None:
    line = story.line()
    event: CommitPushed = rerun_of(story.run("one"), ADA)

    assert "rule rerun_attempt" in lost_rerun(line, event, "rerun_attempt")


def test_a_rerun_says_before_what_will_keep_it_from_going_live(story: Story) -> None:
    assert rerun_prospect(story.run("one")) == ""
    story.push("two")
    assert "will be superseded" in rerun_prospect(story.run("one"))
    story.train("two")
    story.judge("two")
    story.publish(acts.redeploy(story.line(), sha_of("two"), ADA))
    story.publish(acts.rollback(story.line(), sha_of("one"), ADA))
    assert "cannot go live by itself" in rerun_prospect(story.run("one"))
