"""What is written next, and what is not written at all."""

from pushline.auditor.forge.plan import ASKED_ABOUT, FIRST_BACK_OFF_SECONDS, LOOK_AGAIN_SECONDS, Plan
from pushline.auditor.forge.word import Word

BOTH = ("status", "comment")


def word(sha: str, state: str = "success", fact: str = "deployed as number 1") -> Word:
    return Word(sha, f"run of {sha}", 1, "deployed", state, fact, "", None, again=False)


def seen(plan: Plan, *found: Word, now: float = 0.0) -> None:
    plan.see({each.sha: each for each in found}, now)


def steps(plan: Plan, now: float = 0.0) -> list[tuple[str, str]]:
    """Settle all that is due, in order; leave what is to be asked."""
    done = []
    while (step := plan.next(now)) is not None and step.what != "ask":
        done.append((step.word.sha, step.what))
        plan.settle(step)
    return done


def answer(plan: Plan, known: dict[str, bool]) -> list[str]:
    """Answer all questions; `known`: SHA → whether what stands there is right."""
    asked = []
    while (step := plan.next(99.0)) is not None and step.what == "ask":
        asked.append(step.word.sha)
        plan.answered(step, known.get(step.word.sha), 0.0)
    return asked


def test_at_the_first_start_open_commits_are_told_and_nothing_old() -> None:
    plan = Plan(BOTH)

    seen(plan, word("old"), word("older"), word("new", "pending"))

    assert steps(plan) == [("new", "status"), ("new", "comment")]
    assert answer(plan, {}) == ["older", "old"]
    assert steps(plan) == []


def test_what_changes_after_the_start_is_told_the_newest_commit_first_its_status_first() -> None:
    plan = Plan(BOTH)
    seen(plan, word("a"), word("b"))
    answer(plan, {})

    seen(plan, word("a", "failure"), word("b", "failure"), word("c", "pending"))

    assert steps(plan) == [(sha, what) for sha in ("c", "b", "a") for what in BOTH]


def test_what_ended_while_no_auditor_ran_is_told_where_an_older_commit_was() -> None:
    plan = Plan(BOTH)
    seen(plan, word("a"), word("b"), word("c"), word("d"))

    assert answer(plan, {"b": True, "a": True})[:3] == ["d", "c", "b"]

    assert sorted(steps(plan)) == sorted([("d", "status"), ("d", "comment"), ("c", "status"), ("c", "comment"), ("b", "comment")])


def test_a_status_that_stands_and_is_old_is_mended() -> None:
    plan = Plan(("status",))
    seen(plan, word("a"))

    answer(plan, {"a": False})

    assert steps(plan) == [("a", "status")]


def test_a_question_in_vain_is_asked_again_before_the_next_one() -> None:
    """Else what ended last would be held for something of before the first start."""
    plan = Plan(("status",))
    seen(plan, word("a"), word("b"))
    step = plan.next(0.0)
    assert step is not None

    plan.in_vain(step, 0.0)

    assert (plan.next(0.0), plan.next_at()) == (None, FIRST_BACK_OFF_SECONDS)
    again = plan.next(FIRST_BACK_OFF_SECONDS)
    assert again is not None
    assert (again.what, again.word.sha) == ("ask", "b")


def test_who_may_not_ask_asks_once_and_again_with_another_token() -> None:
    plan = Plan(("status",))
    seen(plan, word("a"), word("b"))
    step = plan.next(0.0)
    assert step is not None

    plan.in_vain(step, 0.0)
    plan.settle(step, refused=True, of_rights=True)

    assert (plan.next(9.0), plan.next_at()) == (None, None)
    plan.retry_refused()
    assert answer(plan, {}) == ["b", "a"]


def test_a_commit_that_is_gone_from_the_forge_is_not_asked_about_again() -> None:
    plan = Plan(("status",))
    seen(plan, word("a"), word("b"))
    step = plan.next(0.0)
    assert step is not None

    plan.settle(step, refused=True)

    assert answer(plan, {}) == ["a"]


def test_the_forge_is_asked_about_a_bounded_number_of_commits() -> None:
    plan = Plan(("status",))
    seen(plan, *(word(f"{number:03}") for number in range(3 * ASKED_ABOUT)))

    assert len(answer(plan, {})) == ASKED_ABOUT


def test_what_was_in_vain_waits_longer_each_time_and_lets_others_by() -> None:
    plan = Plan(("status",))
    seen(plan, word("bad", "pending"))
    for number in range(3):
        step = plan.next(100.0 * number)
        assert step is not None
        plan.in_vain(step, 100.0 * number)
    seen(plan, word("bad", "pending"), word("good", "pending"), now=200.0)

    step = plan.next(200.0)

    assert step is not None
    assert step.word.sha == "good"
    assert plan.next_at() == 200.0 + 4 * FIRST_BACK_OFF_SECONDS
    plan.settle(step)
    assert steps(plan, 200.0) == [("bad", "status")]  # one that went well is reason to hope for the other


def test_what_is_refused_is_not_tried_again_before_its_word_changes() -> None:
    plan = Plan(("status",))
    seen(plan, word("a", "pending"))
    step = plan.next(0.0)
    assert step is not None

    plan.settle(step, refused=True)
    seen(plan, word("a", "pending"))
    assert (steps(plan), plan.refused) == ([], 1)
    seen(plan, word("a", "failure"))

    assert (steps(plan), plan.refused) == ([("a", "status")], 0)


def test_what_was_refused_for_want_of_rights_is_tried_again_once_the_like_goes_well() -> None:
    plan = Plan(("status",))
    seen(plan, word("a", "pending"), word("b", "pending"))
    for of_rights in (True, False):
        step = plan.next(0.0)
        assert step is not None
        plan.settle(step, refused=True, of_rights=of_rights)

    seen(plan, word("a", "pending"), word("b", "pending"), word("c", "pending"))
    assert steps(plan) == [("c", "status")]
    seen(plan, word("a", "pending"), word("b", "pending"), word("c", "pending"))

    assert steps(plan) == [("b", "status")]


def test_with_another_token_all_that_was_refused_is_tried_again() -> None:
    plan = Plan(("status",))
    seen(plan, word("a", "pending"))
    step = plan.next(0.0)
    assert step is not None
    plan.settle(step, refused=True)

    plan.retry_refused()
    seen(plan, word("a", "pending"))

    assert steps(plan) == [("a", "status")]


def test_a_new_comment_is_looked_at_once_more() -> None:
    plan = Plan(BOTH)
    seen(plan, word("a", "pending"))
    plan.look_again("a", 0.0)
    assert steps(plan) == [("a", "status"), ("a", "comment")]

    assert plan.next_at() == LOOK_AGAIN_SECONDS
    seen(plan, word("a", "pending"), now=LOOK_AGAIN_SECONDS)

    assert steps(plan, LOOK_AGAIN_SECONDS) == [("a", "comment")]


def test_commits_without_a_word_are_forgotten() -> None:
    plan = Plan(BOTH)
    seen(plan, word("a", "pending"))
    plan.look_again("a", 0.0)

    seen(plan, word("b", "pending"), now=2 * LOOK_AGAIN_SECONDS)

    assert {sha for sha, _ in steps(plan)} == {"b"}
    assert plan.due == 0
