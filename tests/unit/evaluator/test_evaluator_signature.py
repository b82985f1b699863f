"""What callers rely on: which changes of inputs, outputs and labels break them, and in which words that is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.evaluator.signature import Signature, compare_signatures, measures_alike
from pushline.objects.manifest import Manifest, TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.story import put_run

LIVE = put_run(MemoryStore(), "digits").manifest  # pixels (any, 64) → digit (any, 10)
X, Y, Z = (TensorSpec(name, "float32", (-1, 8)) for name in ("x", "y", "z"))
TWO = replace(LIVE, inputs=(X, Y), outputs=(X, Y))
IMAGE = replace(LIVE, inputs=(TensorSpec("x", "float32", (-1, 28, 28, 1)),))
NAMED = replace(LIVE, labels=("cat", "dog", "horse"))


def shaped(*shape: int, dtype: str = "float32") -> tuple[TensorSpec, ...]:
    return (TensorSpec("x", dtype, shape),)


COMPATIBLE = [
    (
        "an input takes any height",
        IMAGE,
        replace(IMAGE, inputs=shaped(-1, -1, 28, 1)),
        "(any, any, 28, 1), before (any, 28, 28, 1)",
    ),
    ("inputs change places", TWO, replace(TWO, inputs=(Y, X)), "inputs stand in another order"),
    ("an output becomes fixed", replace(IMAGE, outputs=shaped(-1, -1)), replace(IMAGE, outputs=shaped(-1, 4)), "output x has"),
    ("a third output at the end", TWO, replace(TWO, outputs=(X, Y, Z)), "output z was added at the end"),
    ("labels where there were none", LIVE, NAMED, "classes are named by labels, before without names"),
]
BREAKING = [
    ("an input's name", LIVE, replace(LIVE, inputs=(TensorSpec("image", "float32", (-1, 64)),)), "input pixels is gone"),
    ("a further input", replace(LIVE, inputs=(X,)), replace(LIVE, inputs=(X, Y)), "input y is new"),
    ("an input's dtype", IMAGE, replace(IMAGE, inputs=shaped(-1, 28, 28, 1, dtype="uint8")), "input x is uint8, before float32"),
    ("an input's rank", IMAGE, replace(IMAGE, inputs=shaped(-1, 784)), "input x has the shape (any, 784)"),
    ("an input's fixed dimension", IMAGE, replace(IMAGE, inputs=shaped(-1, 32, 32, 1)), "(any, 32, 32, 1)"),
    ("an open dimension of an input", replace(IMAGE, inputs=shaped(-1, -1)), replace(IMAGE, inputs=shaped(-1, 9)), "(any, 9)"),
    ("an output's name", LIVE, replace(LIVE, outputs=(TensorSpec("class", "float32", (-1, 10)),)), "output digit is gone"),
    ("an output's dtype", replace(LIVE, outputs=(X,)), replace(LIVE, outputs=shaped(-1, 8, dtype="float64")), "before float32"),
    ("an output opens up", replace(IMAGE, outputs=shaped(-1, 4)), replace(IMAGE, outputs=shaped(-1, -1)), "(any, any)"),
    ("outputs change places", TWO, replace(TWO, outputs=(Y, X)), "outputs are y, x in this order, before x, y"),
    ("an output in front", TWO, replace(TWO, outputs=(Z, X, Y)), "outputs are z, x, y in this order"),
    ("an output fewer", TWO, replace(TWO, outputs=(X,)), "output y is gone"),
    ("a second output", replace(TWO, outputs=(X,)), TWO, "output y is a second one"),
    ("a label", NAMED, replace(NAMED, labels=("cat", "fox", "horse")), 'label 1 is "fox", before "dog"'),
    ("labels change places", NAMED, replace(NAMED, labels=("dog", "cat", "horse")), 'label 0 is "dog", before "cat"'),
    ("a label more", NAMED, replace(NAMED, labels=(*NAMED.labels, "fox")), "there are 4 labels, before 3"),
    ("no labels any more", NAMED, LIVE, "classes are without names"),
    ("the task", LIVE, replace(LIVE, task="regression"), "the task is regression, before classification"),
    ("scores in place of probabilities", LIVE, replace(LIVE, from_logits=True), "answers are scores before softmax"),
]


@pytest.mark.parametrize(("name", "before", "after", "words"), COMPATIBLE, ids=[case[0] for case in COMPATIBLE])
def test_what_callers_do_not_notice_is_compatible_and_told(name: str, before: Manifest, after: Manifest, words: str) -> None:
    del name

    found = compare_signatures(after, before)

    assert found.kind == "compatible"
    assert found.broken == ""
    assert words in "; ".join(found.sentences)


@pytest.mark.parametrize(("name", "before", "after", "words"), BREAKING, ids=[case[0] for case in BREAKING])
def test_what_callers_would_notice_breaks_and_is_named(name: str, before: Manifest, after: Manifest, words: str) -> None:
    del name

    found = compare_signatures(after, before)

    assert found.kind == "breaking"
    assert words in found.broken


def test_the_same_signature_is_the_same_whatever_else_is_new() -> None:
    assert compare_signatures(replace(LIVE, run_id="other", engine="tensorflow"), LIVE) == Signature("same")


def test_a_first_model_has_nothing_to_break() -> None:
    assert compare_signatures(LIVE, None) == Signature("first")


def test_of_many_changes_a_sentence_names_ten_and_counts_the_others() -> None:
    before = replace(LIVE, inputs=tuple(TensorSpec(f"x{at}", "float32", (-1, 1)) for at in range(15)))
    after = replace(before, inputs=())

    found = compare_signatures(after, before)

    assert len(found.changes) == 15
    assert found.broken.endswith("; and 5 more")


SPECS = st.lists(
    st.builds(
        TensorSpec,
        st.sampled_from("abcd"),
        st.sampled_from(["float32", "int32"]),
        st.lists(st.sampled_from([-1, 1, 2]), min_size=1, max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda spec: spec.name,
).map(tuple)


@given(SPECS, SPECS)
def test_no_two_signatures_that_differ_are_called_the_same(before: tuple[TensorSpec, ...], after: tuple[TensorSpec, ...]) -> None:
    as_inputs = compare_signatures(replace(LIVE, inputs=after), replace(LIVE, inputs=before))
    as_outputs = compare_signatures(replace(LIVE, outputs=after), replace(LIVE, outputs=before))

    assert (as_inputs.kind == "same") == (before == after)
    assert (as_outputs.kind == "same") == (before == after)


@given(SPECS, SPECS)
def test_a_change_and_its_opposite_are_both_compatible_only_where_nothing_but_the_order_of_inputs_changed(
    before: tuple[TensorSpec, ...], after: tuple[TensorSpec, ...]
) -> None:
    kinds = {
        compare_signatures(replace(LIVE, inputs=one), replace(LIVE, inputs=other)).kind
        for one, other in ((before, after), (after, before))
    }

    if "breaking" not in kinds:
        assert set(before) == set(after)


def test_answers_about_other_classes_are_not_measured_on_the_same_set() -> None:
    assert measures_alike(replace(NAMED, labels=("dog", "cat", "horse")), NAMED)
    assert measures_alike(replace(LIVE, task="regression"), LIVE)
    assert not measures_alike(NAMED, LIVE)
    assert not measures_alike(replace(LIVE, from_logits=True), LIVE)
