"""What `why` says of a run, for each cause."""

import pytest

from pushline.line.why import CAUSES, REASONS, Answer
from tests.unit.line.why.scene import BEGAN_MS, MODEL, SHAS, Scene


def what(answer: Answer) -> list[str]:
    return [fact.what for fact in answer.facts]


def live() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.serve("r1")
    return scene.why("a")


def live_by_hand() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.train("a")
    scene.judge("a", "inconclusive", "set_cannot_tell", "too few rows")
    scene.close("a", "rejected", "set_cannot_tell", "too few rows")
    scene.promote("a", by_hand=True)
    return scene.why("a")


def superseded() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.push("b")
    scene.train("a", "superseded", "newer_commit", "commit bbb came before this one was trained.")
    return scene.why("a")


def failed(reason: str) -> Answer:
    scene = Scene()
    scene.push("a")
    scene.train("a", "failed", reason, "it broke")
    return scene.why("a")


def refused(reason: str, verdict: str = "rejected") -> Answer:
    scene = Scene()
    scene.push("a")
    scene.train("a")
    scene.judge("a", verdict, reason, "not good enough")
    scene.close("a", "failed" if verdict == "failed" else "rejected", reason or verdict, "not good enough")
    return scene.why("a")


def older_than_fence() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.live("b")
    scene.train("a")
    scene.close("a", "superseded", "older_than_live", "a newer run is live or was")
    return scene.why("a")


def held_back_by_a_rollback() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.push("c")
    scene.roll_back("a")
    scene.train("c")
    scene.close("c", "superseded", "older_than_live", "pushed before the rollback")
    return scene.why("c")


def barred() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.roll_back("a")
    scene.push("c")
    scene.train("c", model_file="b")
    scene.close("c", "rejected", "barred", "model is barred since a rollback")
    return scene.why("c")


def held() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.hold()
    scene.push("b")
    scene.train("b")
    scene.judge("b")
    return scene.why("b")


def rolled_back() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.roll_back("a")
    return scene.why("b")


def replaced_by_a_promote() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    return scene.why("a")


def replaced_by_a_redeploy() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.redeploy("a")
    return scene.why("b")


def waiting_for_training() -> Answer:
    scene = Scene()
    scene.push("a")
    return scene.why("a")


def waiting_behind_a_newer_commit() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.push("b")
    return scene.why("a")


def waiting_for_evaluation() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.train("a")
    return scene.why("a")


def waiting_for_another_verdict() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.push("b")
    scene.train("b")
    scene.judge("b")
    scene.train("a")
    scene.judge("a")
    scene.promote("a")
    return scene.why("b")


def waiting_for_decision() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.train("a")
    scene.judge("a")
    return scene.why("a")


def waiting_to_be_closed() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.live("b")
    scene.train("a")
    return scene.why("a")


def waiting_for_a_person() -> Answer:
    scene = Scene()
    scene.live("a")
    scene.serve("r1", lost=7)
    scene.push("b")
    scene.train("b")
    return scene.why("b")


def parked() -> Answer:
    scene = Scene()
    scene.push("a")
    scene.ledger.parked[scene.line.partition] = "commit record of version 2; this program knows 1"
    return scene.why("a")


CASES = {
    "live": (live, "live", "is live as number 1: accepted"),
    "live by a person's hand": (live_by_hand, "live", "Ada promoted it (wanted), although it was rejected (set_cannot_tell)"),
    "superseded": (superseded, "superseded", "was superseded (newer_commit): commit bbb came before"),
    "checkout": (lambda: failed("repo_limits"), "failed_in_checkout", "failed (repo_limits): it broke"),
    "configuration": (lambda: failed("weakened_gate"), "failed_in_configuration", "failed (weakened_gate)"),
    "packages": (lambda: failed("requirements_conflict"), "failed_in_preparation", "failed (requirements_conflict)"),
    "tests": (lambda: failed("tests_failed"), "failed_in_tests", "failed (tests_failed)"),
    "tests' memory": (lambda: failed("tests_memory"), "failed_in_tests", "failed (tests_memory)"),
    "script": (lambda: failed("script_failed"), "failed_in_training_script", "failed (script_failed)"),
    "deadline": (lambda: failed("timeout"), "failed_in_training_deadline", "failed (timeout)"),
    "memory": (lambda: failed("memory"), "failed_in_training_memory", "failed (memory)"),
    "limit": (lambda: failed("disk_full"), "failed_in_training_limit", "failed (disk_full)"),
    "three tries": (lambda: failed("crashed"), "failed_in_training_tries", "failed (crashed)"),
    "sandbox": (lambda: failed("sandbox_unavailable"), "failed_in_training_sandbox", "failed (sandbox_unavailable)"),
    "export": (lambda: failed("not_servable"), "failed_in_export", "failed (not_servable)"),
    "a reason of a newer trainer": (lambda: failed("solar_flare"), "failed_in_training", "failed (solar_flare)"),
    "gate": (lambda: refused("below_gate"), "rejected_by_gate", "was rejected (below_gate): not good enough"),
    "comparison": (lambda: refused("worse_than_champion"), "rejected_by_comparison", "was rejected (worse_than_champion)"),
    "inconclusive": (lambda: refused("set_cannot_tell", "inconclusive"), "inconclusive", "was rejected (set_cannot_tell)"),
    "nothing to compare with": (lambda: refused("champion_not_comparable", "inconclusive"), "inconclusive", "was rejected"),
    "inconclusive, without a reason": (lambda: refused("", "inconclusive"), "inconclusive", "was rejected (inconclusive)"),
    "trial": (lambda: refused("predictor_crashed"), "rejected_by_trial", "was rejected (predictor_crashed)"),
    "program": (lambda: refused("program_refused"), "rejected_by_program_check", "was rejected (program_refused)"),
    "want of data": (lambda: refused("no_evaluation_set"), "want_of_data", "was rejected (no_evaluation_set)"),
    "evaluation failed": (lambda: refused("bad_manifest", "failed"), "failed_in_evaluation", "failed (bad_manifest)"),
    "a reason of a newer evaluator": (lambda: refused("bad_karma"), "rejected", "was rejected (bad_karma)"),
    "too large": (lambda: failed("event_too_large"), "failed_too_large", "failed (event_too_large)"),
    "a failure of a newer evaluator": (lambda: refused("bad_karma", "failed"), "failed_in_evaluation", "failed (bad_karma)"),
    "older than the fence": (older_than_fence, "older_than_fence", "was superseded (older_than_live)"),
    "pushed before a rollback": (held_back_by_a_rollback, "older_than_fence", "was superseded (older_than_live)"),
    "barred": (barred, "barred", "was rejected (barred)"),
    "held": (held, "held", "is accepted and rests, as nothing of a goes live since Ada held it (an audit)"),
    "rolled back": (
        rolled_back,
        "rolled_back",
        "live until Ada rolled back to commit aaaaaaaaaa (number 3): worse in",
    ),
    "replaced by a promote": (replaced_by_a_promote, "replaced", "was live until commit bbbbbbbbbb (number 2) was promoted"),
    "replaced by a redeploy": (replaced_by_a_redeploy, "replaced", "until Ada put commit aaaaaaaaaa (number 3) live: needed"),
    "training": (waiting_for_training, "waiting_for_training", "waits for its training to end"),
    "behind a newer commit": (waiting_behind_a_newer_commit, "waiting_for_training", "the newer commit bbbbbbbbbb waits too"),
    "evaluating": (waiting_for_evaluation, "waiting_for_evaluation", "is trained and waits for its verdict."),
    "evaluating anew": (waiting_for_another_verdict, "waiting_for_evaluation", "its verdict anew, as another model went live"),
    "deciding": (waiting_for_decision, "waiting_for_decision", "is accepted and waits for the deployer"),
    "to be closed": (waiting_to_be_closed, "waiting_for_decision", "waits for the deployer to close it, as something newer"),
    "behind what is served": (waiting_for_a_person, "waiting_for_a_person", "serves number 7, and the newest one in the log is 1"),
    "parked": (parked, "parked", "is parked, commit record of version 2"),
}
OF_A_MODEL = {"nothing_live", "never_seen"}  # not causes of a run


@pytest.mark.parametrize("case", CASES)
def test_each_cause_is_told_by_name_and_in_a_sentence(case: str) -> None:
    scene, cause, words = CASES[case]

    answer = scene()

    assert answer.cause == cause
    assert words in answer.sentence
    assert answer.sentence.startswith("Commit ")
    assert all(step.strip() and "{" not in step for step in answer.next_steps)


def test_every_cause_has_a_case() -> None:
    assert {cause for _, cause, _ in CASES.values()} | OF_A_MODEL == CAUSES.keys()


def test_every_reason_means_a_cause() -> None:
    assert set(REASONS.values()) <= CAUSES.keys()


def test_facts_are_the_records_in_order_with_time_place_and_who() -> None:
    answer = rolled_back()

    assert what(answer) == [
        "pushed: a change",
        f"trained to model {answer.digest[:12]}",
        f"accepted against {_digest_of('a')[:12]}",
        "promote of commit bbbbbbbbbb as number 2",
        "rollback of commit aaaaaaaaaa as number 3: worse in the field",
    ]
    assert [fact.who for fact in answer.facts] == ["Ada", "test", "test", "test", "Ada"]
    assert answer.facts[-1].place == f"deployed/{answer.facts[0].partition}@2"
    assert [fact.at_ms > BEGAN_MS for fact in answer.facts] == [True] * 5


def test_a_superseded_run_names_the_push_that_came_after_it() -> None:
    assert what(superseded())[-1] == "the next commit bbbbbbbbbb, pushed: a change"


def test_what_stands_against_a_run_is_among_its_facts() -> None:
    assert "promote of commit bbbbbbbbbb as number 1" in what(older_than_fence())
    assert "rollback of commit aaaaaaaaaa as number 3: worse in the field" in what(held_back_by_a_rollback())
    assert "rollback of commit aaaaaaaaaa as number 3: worse in the field" in what(barred())
    assert "hold: an audit" in what(held())


def test_a_model_that_is_live_again_by_another_run_of_the_same_bytes_says_so() -> None:
    scene = Scene()
    scene.live("a")
    scene.push("b")
    scene.train("b", model_file="a")
    scene.judge("b")
    scene.promote("b")

    assert "then the same model went live by commit bbbbbbbbbb (number 2)" in scene.why("a").sentence


def test_a_run_that_came_back_is_live_whatever_was_between() -> None:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.roll_back("a")

    answer = scene.why("a")

    assert (answer.cause, answer.outcome) == ("live", "deployed")
    assert "Ada rolled back to it (worse in the field)" in answer.sentence


def test_an_open_run_says_since_when_it_waits() -> None:
    seconds = {case: (CASES[case][0]().since_ms - BEGAN_MS) // 1000 for case in ("training", "evaluating", "deciding", "held")}

    assert seconds == {"training": 1, "evaluating": 2, "deciding": 3, "held": 8}  # in the last one the verdict came after the hold
    assert waiting_for_another_verdict().since_ms == BEGAN_MS + 7000  # when another model went live
    assert live().since_ms == 0


def test_replicas_tell_what_they_made_of_it() -> None:
    scene = Scene()
    scene.live("a")
    scene.serve("r1")
    scene.serve("r2", state="failed", sentence="out of memory")

    answer = scene.why("a")

    assert [(each.name, each.state, each.sentence) for each in answer.replicas] == [
        ("r1", "serving", ""),
        ("r2", "failed", "out of memory"),
    ]
    assert answer.sentence.endswith("; could not be loaded by r2.")


def test_a_rerun_is_a_run_of_its_own() -> None:
    scene = Scene()
    scene.push("a")
    scene.train("a", "failed", "crashed", "three times")
    first = scene.run("a")
    scene.rerun("a")

    second = scene.why("a")

    assert (second.attempt, second.cause) == (2, "waiting_for_training")
    assert what(second) == ["asked for again, attempt 2: once more"]
    assert second.sentence == f"Commit {SHAS['a'][:10]} of {MODEL} (attempt 2) waits for its training to end."
    assert first.outcome == "failed"


def _digest_of(letter: str) -> str:
    scene = Scene()
    scene.live(letter)
    return scene.line.live_digest
