"""A model that takes or gives something else than the live one: refused before it is run, unless its repository allows that."""

import threading
from typing import Any

import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild
from pushline.evaluator.assessed import Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.gates import Champion
from pushline.objects.manifest import TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import NeverRuns, judge, page_of, report_of
from tests.fixtures.evaluator.story import Trained, first_work, gate, put_run, serving_of
from tests.fixtures.evaluator.trials import material

IMAGE = TensorSpec("image", "float32", (-1, 64))
LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def with_another_input(store: MemoryStore, generation: int, **changes: Any) -> Trained:
    """Put digits whose manifest calls its input by another name."""
    return put_run(store, "digits", generation, inputs=(IMAGE,), **changes)


def test_a_candidate_that_changes_its_input_is_rejected_before_anything_is_run(store: MemoryStore) -> None:
    live = put_run(store, "digits", 1)

    event = judge(store, NeverRuns(), first_work(with_another_input(store, 2), serving_of(live)))

    assert (event.verdict, event.reason) == ("rejected", "breaking_change")
    assert event.sentence.startswith(
        "callers of the live model would break: input pixels is gone; input image is new, and callers of now do not send it; "
    )
    assert "allow_breaking = true" in event.sentence
    assert [file.name for file in event.files] == ["model.h5"]
    assert "input pixels is gone" in page_of(store, event)


def test_other_labels_are_a_breaking_change_too(store: MemoryStore) -> None:
    live = put_run(store, "digits", 1, labels=LABELS)

    event = judge(store, NeverRuns(), first_work(put_run(store, "digits", 2, labels=LABELS[::-1]), serving_of(live)))

    assert (event.reason, event.verdict) == ("breaking_change", "rejected")
    assert 'label 0 is "nine", before "zero"' in event.sentence


def test_names_for_classes_that_had_none_break_nobody(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits_worse", 1)

    event = judge(store, child, first_work(put_run(store, "digits", 2, labels=LABELS), serving_of(live)))

    assert event.verdict == "accepted"


def test_a_change_that_callers_do_not_notice_is_judged_as_always(store: MemoryStore, child: LimitedChild) -> None:
    fixed = TensorSpec("digit", "float32", (-1, 10))
    live = put_run(store, "digits_worse", 1, outputs=(TensorSpec("digit", "float32", (-1, -1)),))

    event = judge(store, child, first_work(put_run(store, "digits", 2, outputs=(fixed,)), serving_of(live)))

    assert event.verdict == "accepted"


def test_where_breaking_is_allowed_a_model_that_cannot_be_compared_is_judged_as_a_first_one(
    store: MemoryStore, child: LimitedChild
) -> None:
    live = put_run(store, "digits", 1)

    event = judge(store, child, first_work(put_run(store, "diabetes", 2, allow_breaking=True), serving_of(live)))

    (result,) = event.gates
    assert event.verdict == "accepted"
    assert (result.metric, result.rule) == ("rmse", "better_than_constant")
    assert "the live model cannot be measured" in report_of(store, event)["champion"]["problem"]


def test_a_gate_that_asks_for_the_comparison_still_leaves_it_to_a_person(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1)
    gates = [gate("rmse", None, None, 0.1), gate("r2", 0.1)]

    event = judge(store, child, first_work(put_run(store, "diabetes", 2, allow_breaking=True, gates=gates), serving_of(live)))

    assert (event.verdict, event.reason) == ("inconclusive", "champion_not_comparable")
    assert "array x has rows of shape (10,), the model takes (64)" in event.sentence


def test_labels_in_another_order_are_not_compared_as_if_they_were_the_same(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1, labels=LABELS)
    trained = put_run(store, "digits", 2, labels=LABELS[::-1], allow_breaking=True, gates=[gate("accuracy", None, None, 0.01)])

    event = judge(store, child, first_work(trained, serving_of(live)))

    assert (event.verdict, event.reason) == ("inconclusive", "champion_not_comparable")
    assert "its classes have other labels" in event.sentence


def test_a_breaking_change_that_leaves_the_live_model_measurable_does_not_escape_the_comparison(
    store: MemoryStore, child: LimitedChild
) -> None:
    live = put_run(store, "digits", 1, from_logits=True)

    event = judge(store, child, first_work(put_run(store, "digits_worse", 2, allow_breaking=True), serving_of(live)))

    assert (event.verdict, event.reason) == ("rejected", "worse_than_champion")


@pytest.mark.parametrize("allowed", [False, True])
def test_a_live_model_that_nothing_can_be_read_about_leaves_it_to_a_person(allowed: bool, child: LimitedChild) -> None:
    unread = Champion({}, "the live model cannot be measured: its manifest cannot be read")
    found = Assessor(child, Rules(), None).assess(material(allow_breaking=allowed), unread, threading.Event())

    assert (found.verdict.verdict, found.verdict.reason) == ("inconclusive", "champion_not_comparable")
    assert found.trial is None or found.trial.signature == "unknown"


def test_scores_before_softmax_of_the_live_model_are_read_as_such(store: MemoryStore, child: LimitedChild) -> None:
    """Whatever the new model gives: each is read as its own manifest says."""
    live = put_run(store, "digits", 1, from_logits=True)
    trained = put_run(store, "digits", 2, allow_breaking=True, gates=[gate("accuracy", 0.9)])

    event = judge(store, child, first_work(trained, serving_of(live)))

    assert event.verdict == "accepted"
    numbers = report_of(store, event)
    assert numbers["champion"]["metrics"]["accuracy"] == numbers["metrics"]["accuracy"]["value"]
    assert numbers["champion"]["metrics"]["log_loss"] != numbers["metrics"]["log_loss"]["value"]
