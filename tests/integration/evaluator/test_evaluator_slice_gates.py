"""Gates on slices with real programs: better in all and much worse on one slice is rejected, with the slice named."""

from dataclasses import replace
from typing import Any

import numpy as np

from pushline.evaluator.adapters.limited_child import LimitedChild
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import judge
from tests.fixtures.evaluator.story import RUNS, Trained, first_work, gate, npz, put_run, serving_of

REGION, HARD_ROWS = 7, 20
GATED = replace(gate("accuracy", None, None, 0.05), slice_max_drop=0.1)


def answers(name: str) -> Any:
    with np.load(RUNS / name / "answers.npz") as arrays:
        return arrays["digit"].argmax(axis=1)


def put_pair(store: MemoryStore, *slices: str, **changes: Any) -> tuple[Trained, Trained]:
    """The better model of digits against the worse one; in one region the truth is what the worse one says."""
    with np.load(RUNS / "digits" / "dataset.npz") as arrays:
        x, y = arrays["x"], arrays["y"].copy()
    good, worse = answers("digits"), answers("digits_worse")
    hard = np.flatnonzero((good == y) & (worse != y))[:HARD_ROWS]
    assert len(hard) == HARD_ROWS
    y[hard] = worse[hard]
    region = np.arange(len(y)) % 3
    region[hard] = REGION
    replaced = {"dataset.npz": npz(x=x, y=y, region=region)}
    return (
        put_run(store, "digits_worse", 1, replaced=replaced),
        put_run(store, "digits", 2, replaced=replaced, slices=slices, **changes),
    )


def test_better_in_all_and_much_worse_on_one_gated_slice_is_rejected_with_the_slice_named(
    store: MemoryStore, child: LimitedChild
) -> None:
    live, trained = put_pair(store, "region", gates=[GATED])

    event = judge(store, child, first_work(trained, serving_of(live)))

    overall, slice_ = event.gates
    assert overall.passed
    assert overall.value is not None
    assert overall.champion is not None
    assert overall.value > overall.champion
    assert (event.verdict, event.reason) == ("rejected", "worse_on_slice")
    assert (slice_.metric, slice_.rule, slice_.value, slice_.champion) == ("accuracy[region=7]", "slice_max_drop", 0.0, 1.0)
    assert event.sentence.startswith("accuracy[region=7] 0 against the live model's 1 on the same 20 rows: a drop of 100 points")


def test_a_named_predicate_is_a_slice_too(store: MemoryStore, child: LimitedChild) -> None:
    live, trained = put_pair(store, "far: region > 2 and not x[0] > 100", gates=[GATED])

    event = judge(store, child, first_work(trained, serving_of(live)))

    assert (event.verdict, event.reason) == ("rejected", "worse_on_slice")
    assert "accuracy[far]" in event.sentence


def test_without_a_gate_on_slices_the_better_model_is_accepted(store: MemoryStore, child: LimitedChild) -> None:
    live, trained = put_pair(store, "region", gates=[gate("accuracy", None, None, 0.05)])

    event = judge(store, child, first_work(trained, serving_of(live)))

    assert event.verdict == "accepted"
