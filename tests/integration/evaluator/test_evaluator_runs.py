"""Runs as they lie in the store, judged with real programs in the real child: verdict, report and event."""

import hashlib
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild
from pushline.line.codec import encode
from pushline.line.stage import Transient
from pushline.objects import keys
from pushline.objects.manifest import Dataset, TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import NeverRuns, handler, judge, page_of, report_of
from tests.fixtures.evaluator.story import RUNS, Trained, first_work, gate, npz, put_run, serving_of

PROGRAMS = RUNS.parent / "programs"


def test_a_good_model_is_accepted_with_its_numbers_and_files(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits", gates=[gate("accuracy", 0.95), gate("recall", 0.9)])
    work = first_work(trained)

    event = judge(store, child, work)

    assert (event.verdict, event.reason) == ("accepted", "")
    assert "evaluation set of 360 rows from the repository itself" in event.sentence
    assert {metric.name: round(metric.value, 4) for metric in event.metrics} == {"accuracy": 0.9722, "recall": 0.9722}
    assert [file.name for file in event.files] == ["model.h5", "program.tflite"]
    assert (event.caused_by, event.digest, event.baseline_digest) == (work.trained.id, trained.event.digest, "none")
    assert event.dataset_origin == "repository"
    assert trained.manifest.dataset is not None
    assert event.dataset_sha256 == trained.manifest.dataset.sha256


def test_the_numbers_are_those_of_keras_own_answers(store: MemoryStore, child: LimitedChild) -> None:
    event = judge(store, child, first_work(put_run(store, "digits")))

    with np.load(RUNS / "digits" / "answers.npz") as answers, np.load(RUNS / "digits" / "dataset.npz") as data:
        accuracy = float(np.mean(answers["digit"].argmax(axis=1) == data["y"]))
    report = report_of(store, event)
    assert report["metrics"]["accuracy"]["value"] == accuracy
    assert report["metrics"]["accuracy"]["low"] < accuracy < report["metrics"]["accuracy"]["high"]
    assert sum(map(sum, report["confusion"])) == 360
    assert 0 < report["agreement"]["max_abs_difference"] < 1e-5


def test_a_better_model_is_measured_beside_the_live_one_on_the_same_set(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits_worse", 1)
    trained = put_run(store, "digits", 2, gates=[gate("accuracy", None, None, 0.005)])

    event = judge(store, child, first_work(trained, serving_of(live)))

    (result,) = event.gates
    assert event.verdict == "accepted"
    assert event.baseline_digest == live.event.digest
    assert result.champion is not None
    assert result.value is not None
    assert result.champion < result.value
    assert report_of(store, event)["champion"]["metrics"]["accuracy"] == result.champion


def test_a_worse_model_is_rejected_with_number_and_rule(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1)

    event = judge(store, child, first_work(put_run(store, "digits_worse", 2), serving_of(live)))

    assert (event.verdict, event.reason) == ("rejected", "worse_than_champion")
    assert event.sentence.startswith(
        "accuracy 0.788889 is 18.3 points under the live model's 0.972222 on the same set; "
        "the drop is above 15.1 points (95 % sure), the gate allows 1 point"
    )


def test_a_regression_is_measured_and_held_against_a_constant(store: MemoryStore, child: LimitedChild) -> None:
    event = judge(store, child, first_work(put_run(store, "diabetes")))

    (result,) = event.gates
    assert event.verdict == "accepted"
    assert (result.metric, result.rule) == ("rmse", "better_than_constant")
    assert {"rmse", "mae", "r2"} <= set(report_of(store, event)["metrics"])
    assert "Residuals" in page_of(store, event)


def put_recurrent(store: MemoryStore, **changes: Any) -> Trained:
    """An LSTM as three programs of fixed batches."""
    with np.load(PROGRAMS / "answers.npz") as arrays:
        words, mood = arrays["recurrent.words"], arrays["recurrent.Identity"]
    noise = np.random.default_rng(3).normal(0, 0.05, mood.shape)
    data = npz(x=words, y=mood + noise)
    batches = (1, 8, 32)
    replaced = {f"recurrent-{batch}.tflite": (PROGRAMS / f"recurrent-{batch}.tflite").read_bytes() for batch in batches}
    replaced |= {"dataset.npz": data, "answers.npz": npz(Identity=mood)} | changes.pop("replaced", {})
    trained = put_run(store, "diabetes", replaced=replaced)
    assert trained.manifest.dataset is not None
    return put_run(
        store,
        "diabetes",
        replaced=replaced,
        programs=[(f"recurrent-{batch}.tflite", batch) for batch in batches],
        inputs=(TensorSpec("words", "float32", (-1, 5, 2)),),
        outputs=(TensorSpec("Identity", "float32", (-1, 2)),),
        dataset=replace(trained.manifest.dataset, rows=len(words)),
        **changes,
    )


def test_each_of_several_programs_is_proved(store: MemoryStore, child: LimitedChild) -> None:
    event = judge(store, child, first_work(put_recurrent(store)))

    assert event.verdict == "accepted"
    agreement = report_of(store, event)["agreement"]
    assert [(each["batch"], each["rows"]) for each in agreement["programs"]] == [(1, 70), (8, 70), (32, 70)]
    assert [file.name for file in event.files] == ["model.h5", *(f"recurrent-{batch}.tflite" for batch in (1, 8, 32))]


def test_one_wrong_program_among_several_is_found_even_where_no_row_would_meet_it(store: MemoryStore, child: LimitedChild) -> None:
    """70 rows are answered by the programs of 32 and 8; the one of 1 is asked all the same."""
    right = (PROGRAMS / "recurrent-1.tflite").read_bytes()
    at = right.rindex(np.float32(1.0).tobytes() * 3)  # the forget gate's bias
    wrong = right[:at] + np.float32(2.0).tobytes() * 3 + right[at + 12 :]

    event = judge(store, child, first_work(put_recurrent(store, replaced={"recurrent-1.tflite": wrong})))

    assert (event.verdict, event.reason) == ("rejected", "program_disagrees")
    assert event.sentence.startswith("recurrent-1.tflite does not agree with model.h5: Identity differs from Keras by up to")


def test_two_inputs_and_two_outputs_are_measured_on_the_first_output(store: MemoryStore, child: LimitedChild) -> None:
    with np.load(PROGRAMS / "answers.npz") as arrays:
        two = {name.removeprefix("two_inputs."): arrays[name] for name in arrays.files if name.startswith("two_inputs.")}
    data = npz(
        **{"x.left": two["left"], "x.right": two["right"].astype(np.int64), "y.parts": two["parts"] + 0.01, "y.total": two["total"]}
    )
    stored = store.put_bytes("probe", data)
    trained = put_run(
        store,
        "diabetes",
        replaced={
            "program.tflite": (PROGRAMS / "two_inputs.tflite").read_bytes(),
            "proof.npz": npz(
                **{f"x.{name}": two[name] for name in ("left", "right")}, **{f"y.{name}": two[name] for name in ("parts", "total")}
            ),
            "dataset.npz": data,
        },
        inputs=(TensorSpec("left", "float32", (-1, 3)), TensorSpec("right", "int32", (-1, 2, 2))),
        outputs=(TensorSpec("parts", "float32", (-1, 2)), TensorSpec("total", "float32", (-1, 1))),
        dataset=Dataset(stored.sha256, stored.size, 70, "store", "evaluate"),
    )

    event = judge(store, child, first_work(trained))

    assert event.verdict == "accepted"
    assert "from the repository" not in event.sentence
    assert report_of(store, event)["metrics"]["rmse"]["value"] == pytest.approx(0.01, rel=1e-3)


def test_two_evaluations_give_the_same_bytes(child: LimitedChild) -> None:
    reports, events = set(), set()
    for _ in range(3):
        store = MemoryStore()
        live = put_run(store, "digits_worse", 1)
        event = judge(store, child, first_work(put_run(store, "digits", 2), serving_of(live)))
        reports.add(store.read_bytes(event.report_key))
        events.add(encode(event, "test").value)

    assert len(reports) == len(events) == 1


def test_a_complete_report_is_taken_instead_of_judging_again(store: MemoryStore, child: LimitedChild) -> None:
    work = first_work(put_run(store, "digits"))
    first = judge(store, child, work)

    again = handler(store, NeverRuns(), name="def")(work, threading.Event())

    assert again == first
    assert encode(first, "a").value == encode(first, "b").value


def test_the_first_report_in_name_order_is_taken_and_broken_or_foreign_ones_are_passed_over(
    store: MemoryStore, child: LimitedChild
) -> None:
    trained = put_run(store, "digits")
    work = first_work(trained)
    judged = judge(store, child, work)
    good = store.read_bytes(judged.report_key)
    foreign = good.replace(judged.caused_by.encode(), b"0" * 36)
    for name, data in (("000", b"{}"), ("001", b"not json"), ("002", foreign), ("003", b'{"schema": 2}'), ("004", good)):
        store.put_bytes(keys.evaluation_file("digits", trained.event.run_id, "none", name, "report.json"), data)
    store.put_bytes(keys.evaluation_file("digits", trained.event.run_id, "none", "000", "measured.json"), b"{}")

    event = handler(store, NeverRuns())(work, threading.Event())

    assert event is not None
    assert event.report_key.endswith("/004/report.json")


def test_a_report_that_is_garbled_on_its_way_never_becomes_a_verdict(child: LimitedChild) -> None:
    garbled: list[str] = []

    class Garbling(MemoryStore):
        def read_bytes(self, key: str, max_bytes: int = 1 << 24, /) -> bytes:
            data = super().read_bytes(key, max_bytes)
            if not key.endswith("/report.json") or garbled:
                return data
            garbled.append(key)
            return data.replace(b"accuracy", b"accurbcy")  # still a report

    garbling = Garbling()
    work = first_work(put_run(garbling, "digits"))

    with pytest.raises(Transient):
        judge(garbling, child, work)
    event = handler(garbling, NeverRuns())(work, threading.Event())

    assert garbled
    assert event is not None
    assert event.report_sha256 == hashlib.sha256(garbling.read_bytes(event.report_key)).hexdigest()
    assert all(metric.name != "accurbcy" for metric in event.metrics)


def test_the_report_is_written_last(child: LimitedChild) -> None:
    written: list[str] = []

    class Noting(MemoryStore):
        def put_bytes(self, key: str, data: bytes) -> Any:
            written.append(key.rpartition("/")[2])
            return super().put_bytes(key, data)

    noting = Noting()
    work = first_work(put_run(noting, "digits"))
    written.clear()

    judge(noting, child, work)

    assert (sorted(written), written[-1]) == (["measured.json", "report.html", "report.json"], "report.json")


def test_the_page_holds_no_script_no_request_and_nothing_unescaped(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits", labels=("<script>alert(1)</script>", *map(str, range(1, 10))))
    hostile = replace(trained.event.commit, author="<img src=x>", message="<b>bold</b>\nmore")
    work = first_work(trained)
    work = replace(work, trained=replace(work.trained, event=replace(work.trained.event, commit=hostile)))

    page = page_of(store, judge(store, child, work))

    assert "<script" not in page
    assert "<img src=x" not in page
    assert page.count("<img") == page.count('<img src="data:image/png;base64,')
    assert "<b>" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page


def test_many_gates_are_cut_to_what_a_record_holds_the_refused_ones_kept(store: MemoryStore, child: LimitedChild) -> None:
    gates = [gate("accuracy", at / 2000) for at in range(1990)]

    event = judge(store, child, first_work(put_run(store, "digits", gates=gates)))

    assert event.verdict == "rejected"
    assert len(report_of(store, event)["gates"]) == 1990
    assert len(event.gates) < 1990
    assert sum(not result.passed for result in event.gates) == sum(at / 2000 > 0.9722223 for at in range(1990))
