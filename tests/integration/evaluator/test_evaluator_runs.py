"""Runs as they lie in the store, judged with real programs in the real child: verdict, report and event."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.assessment import Assessor, Rules
from pushline.evaluator.on_trained import OnTrained
from pushline.evaluator.ports import Programs
from pushline.evaluator.verdict import Evaluation
from pushline.line.codec import encode
from pushline.line.events import ModelEvaluated
from pushline.line.stage import Transient
from pushline.objects import keys
from pushline.objects.manifest import Dataset, TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.story import RUNS, Trained, first_work, gate, npz, put_run, serving_of

PROGRAMS = RUNS.parent / "programs"
SCHEMA = json.loads(packaged("pushline.evaluator").joinpath("report.schema.json").read_text(encoding="utf-8"))


class NeverRuns:
    """A runner for work that must not run a program."""

    def run(self, *_: object) -> Any:
        raise AssertionError("a program was run")


@pytest.fixture(scope="module")
def child() -> LimitedChild:
    return LimitedChild(Limits(), working_bubblewrap())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def handler(store: MemoryStore, programs: Programs, rules: Rules | None = None, name: str = "abc") -> OnTrained:
    return OnTrained(store, Assessor(programs, rules or Rules()), threading.Semaphore(1), lambda: name)


def judge(store: MemoryStore, programs: Programs, work: Evaluation, rules: Rules | None = None) -> ModelEvaluated:
    """Judge, and hold every report against its schema."""
    event = handler(store, programs, rules)(work, threading.Event())
    assert event is not None
    jsonschema.validate(report_of(store, event), SCHEMA, cls=jsonschema.Draft202012Validator)
    encode(event, "test")
    return event


def report_of(store: MemoryStore, event: ModelEvaluated) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(store.read_bytes(event.report_key))
    return read


def page_of(store: MemoryStore, event: ModelEvaluated) -> str:
    return store.read_bytes(event.report_key.replace("report.json", "report.html")).decode()


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
    assert report["metrics"]["accuracy"] == accuracy
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
        "accuracy 0.788889 is 0.183333 under the live model's 0.972222 on the same set; the gate allows 0.01"
    )


def test_a_regression_is_measured_and_held_against_a_constant(store: MemoryStore, child: LimitedChild) -> None:
    event = judge(store, child, first_work(put_run(store, "diabetes")))

    (result,) = event.gates
    assert event.verdict == "accepted"
    assert (result.metric, result.rule) == ("rmse", "better_than_constant")
    assert set(report_of(store, event)["metrics"]) == {"rmse", "mae", "r2"}
    assert "Residuals" in page_of(store, event)


def test_a_live_model_of_another_kind_leaves_it_to_a_person(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1)

    event = judge(store, child, first_work(put_run(store, "diabetes", 2), serving_of(live)))

    assert (event.verdict, event.reason) == ("inconclusive", "champion_not_comparable")
    assert "array x has rows of shape (10,), the model takes (64)" in event.sentence
    assert "The live model cannot be measured on this run&#39;s set: array x" in page_of(store, event)


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
            "answers.npz": npz(parts=two["parts"], total=two["total"]),
            "dataset.npz": data,
        },
        inputs=(TensorSpec("left", "float32", (-1, 3)), TensorSpec("right", "int32", (-1, 2, 2))),
        outputs=(TensorSpec("parts", "float32", (-1, 2)), TensorSpec("total", "float32", (-1, 1))),
        dataset=Dataset(stored.sha256, stored.size, 70, "store", "evaluate"),
    )

    event = judge(store, child, first_work(trained))

    assert event.verdict == "accepted"
    assert "from the repository" not in event.sentence
    assert report_of(store, event)["metrics"]["rmse"] == pytest.approx(0.01, rel=1e-3)


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

    assert written == ["report.html", "measured.json", "report.json"]


def test_the_page_holds_no_script_no_request_and_nothing_unescaped(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits", labels=("<script>alert(1)</script>", *map(str, range(1, 10))))
    hostile = replace(trained.event.commit, author="<img src=x>", message="<b>bold</b>\nmore")
    work = first_work(trained)
    work = replace(work, trained=replace(work.trained, event=replace(work.trained.event, commit=hostile)))

    page = page_of(store, judge(store, child, work))

    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page


@dataclass(frozen=True)
class Bad:
    name: str
    reason: str
    words: str
    fixture: str = "digits"
    replaced: Callable[[], Mapping[str, bytes]] = dict
    changes: Callable[[], Mapping[str, Any]] = dict
    rules: Rules | None = None
    verdict: str = "rejected"


def program(path: Path, length: int | None = None) -> Callable[[], Mapping[str, bytes]]:
    return lambda: {"program.tflite": path.read_bytes()[:length]}


def arrays(**changes: Any) -> Callable[[], Mapping[str, bytes]]:
    def make() -> Mapping[str, bytes]:
        with np.load(RUNS / "digits" / "dataset.npz") as data:
            return {"dataset.npz": npz(**{"x": data["x"], "y": data["y"]} | changes)}

    return make


def keras(scale: float) -> Callable[[], Mapping[str, bytes]]:
    def make() -> Mapping[str, bytes]:
        with np.load(RUNS / "digits" / "answers.npz") as data:
            return {"answers.npz": npz(digit=data["digit"] * np.float32(scale))}

    return make


ROWS = 360
BAD = [
    Bad(
        "no set",
        "no_evaluation_set",
        "let train.py call model.evaluate",
        changes=lambda: {"dataset": None},
    ),
    Bad("a set that is no set", "dataset", "not a readable .npz file", replaced=lambda: {"dataset.npz": b"hello"}),
    Bad("a set with NaN", "dataset", "array x holds NaN", replaced=arrays(x=np.full((ROWS, 64), np.nan))),
    Bad("a set of other pictures", "dataset", "the model takes (64)", replaced=arrays(x=np.ones((ROWS, 28, 28)))),
    Bad("a set with an unknown label", "dataset", "labels from 0 to 10", replaced=arrays(y=np.arange(ROWS) % 11)),
    Bad("a set of one class", "dataset", "the class 3 alone", replaced=arrays(y=np.full(ROWS, 3))),
    Bad("a set of words", "dataset", "array y is of type <U1", replaced=arrays(y=np.array(["a"] * ROWS))),
    Bad("a set that is too large", "dataset", "at most 1000 are read", rules=Rules(max_dataset_bytes=1000)),
    Bad("a program cut short", "program_refused", "may not be opened", replaced=program(RUNS / "digits" / "program.tflite", 3000)),
    Bad(
        "a program of words",
        "program_refused",
        "no LiteRT flatbuffer",
        replaced=lambda: {"program.tflite": b"no program at all"},
    ),
    Bad("a program with foreign operators", "program_refused", "may not be opened", replaced=program(PROGRAMS / "flex.tflite")),
    Bad("a program that is too large", "file_too_large", "at most 100 are read", rules=Rules(max_program_bytes=100)),
    Bad("another model's program", "program_refused", "pixels", replaced=program(PROGRAMS / "dense.tflite")),
    Bad(
        "a program of other weights",
        "program_disagrees",
        "does not agree with model.h5",
        replaced=lambda: {"program.tflite": (RUNS / "digits_worse" / "program.tflite").read_bytes()},
    ),
    Bad("answers a little off", "program_disagrees", "digit differs from Keras by up to", replaced=keras(1.0001)),
    Bad("answers of NaN", "not_finite", "hold NaN or infinity", replaced=keras(float("nan"))),
    Bad("answers that are no arrays", "no_answers", "answers.npz) cannot be read", replaced=lambda: {"answers.npz": b"?"}),
    Bad("no program", "no_program", "the run has no serving program", changes=lambda: {"programs": ()}),
    Bad("an unknown task", "unknown_task", "the task 'ranking' is unknown", changes=lambda: {"task": "ranking"}),
    Bad("an unknown gate", "unknown_gate", "gate robust_accuracy", changes=lambda: {"gates": (gate("robust_accuracy", 0.5),)}),
    Bad("labels of another model", "dataset", "pushline.toml names 2 labels", changes=lambda: {"labels": ("a", "b")}),
    Bad("another model.h5", "bad_manifest", "is of another run or model", changes=lambda: {"digest": "a" * 64}, verdict="failed"),
    Bad("another run", "bad_manifest", "is of another run", changes=lambda: {"run_id": "x"}, verdict="failed"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_run_is_an_outcome_with_a_reason_and_a_report(bad: Bad, store: MemoryStore, child: LimitedChild) -> None:
    honest = put_run(store, bad.fixture, replaced=bad.replaced())
    trained = put_run(store, bad.fixture, replaced=bad.replaced(), **bad.changes())
    event = replace(trained.event, run_id=honest.event.run_id, digest=honest.event.digest)
    if event != trained.event:
        data = store.read_bytes(keys.manifest("digits", trained.event.run_id, trained.event.manifest_sha256))
        store.put_bytes(keys.manifest("digits", event.run_id, event.manifest_sha256), data)

    answer = judge(store, child, first_work(replace(trained, event=event)), bad.rules)

    assert (answer.verdict, answer.reason) == (bad.verdict, bad.reason)
    assert bad.words in answer.sentence
    assert [file.name for file in answer.files] == ["model.h5"] or bad.reason in ("unknown_gate", "dataset", "unknown_task")
    assert bad.verdict.encode() in page_of(store, answer).encode()


def test_a_program_that_kills_its_child_is_a_verdict(store: MemoryStore) -> None:
    command = LimitedChild(Limits(), "").command
    hostile = LimitedChild(Limits(), "", (*command[:2], "-c", "open('ready', 'w').close(); import os; os.abort()"))

    event = judge(store, hostile, first_work(put_run(store, "digits")))

    assert (event.verdict, event.reason) == ("rejected", "program_crashed")


def test_a_live_program_that_kills_its_child_is_no_fault_of_the_new_one(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1)
    broken = store.read_bytes(keys.model_file("digits", live.event.files[1].sha256, "program.tflite"))[:2000]
    spoiled = put_run(store, "digits", 2, replaced={"program.tflite": broken})

    event = judge(store, child, first_work(put_run(store, "digits", 3, gates=[gate("accuracy", 0.9)]), serving_of(spoiled)))

    assert event.verdict == "accepted"
    assert "cannot be measured" in report_of(store, event)["champion"]["problem"]


def test_many_gates_are_cut_to_what_a_record_holds_the_refused_ones_kept(store: MemoryStore, child: LimitedChild) -> None:
    gates = [gate("accuracy", at / 2000) for at in range(1990)]

    event = judge(store, child, first_work(put_run(store, "digits", gates=gates)))

    assert event.verdict == "rejected"
    assert len(report_of(store, event)["gates"]) == 1990
    assert len(event.gates) < 1990
    assert sum(not result.passed for result in event.gates) == sum(at / 2000 > 0.9722223 for at in range(1990))


def test_a_store_that_is_away_is_waited_out(store: MemoryStore, child: LimitedChild) -> None:
    work = first_work(put_run(store, "digits"))
    store.set_unavailable(True)

    with pytest.raises(Transient, match="store: the store is away"):
        handler(store, child)(work, threading.Event())

    store.set_unavailable(False)
    assert judge(store, child, work).verdict == "accepted"


@pytest.mark.parametrize("which", ["manifest", "program", "answers", "dataset"])
def test_a_corrupt_object_is_waited_out_and_named(which: str, store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits")
    event, about = trained.event, trained.manifest
    assert about.dataset is not None
    key = {
        "manifest": keys.manifest("digits", event.run_id, event.manifest_sha256),
        "program": keys.model_file("digits", event.files[1].sha256, "program.tflite"),
        "answers": keys.model_file("digits", event.files[2].sha256, "answers.npz"),
        "dataset": keys.dataset("digits", about.dataset.sha256),
    }[which]
    right = store.read_bytes(key)
    store.corrupt(key, b"spoiled")

    with pytest.raises(Transient, match=key):
        handler(store, child)(first_work(trained), threading.Event())

    store.corrupt(key, right)
    assert judge(store, child, first_work(trained)).verdict == "accepted"


def test_an_object_that_is_not_there_is_waited_out_and_named(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(MemoryStore(), "digits")

    with pytest.raises(Transient, match="store: no object under runs/digits/"):
        handler(store, child)(first_work(trained), threading.Event())


def test_writes_that_do_not_read_back_are_waited_out(store: MemoryStore, child: LimitedChild) -> None:
    work = first_work(put_run(store, "digits"))
    store.spoil_writes(True)

    with pytest.raises(Transient, match=r"store: object .* has SHA-256"):
        handler(store, child)(work, threading.Event())


def test_a_child_that_does_not_start_is_waited_out(store: MemoryStore) -> None:
    work = first_work(put_run(store, "digits"))

    with pytest.raises(Transient, match="child process does not start"):
        handler(store, LimitedChild(Limits(), "", ("/no/such/python",)))(work, threading.Event())


def test_a_run_that_waits_for_the_store_holds_no_other_up(store: MemoryStore, child: LimitedChild) -> None:
    work = handler(store, child)
    with pytest.raises(Transient):
        work(first_work(put_run(MemoryStore(), "diabetes", 1)), threading.Event())

    assert work(first_work(put_run(store, "digits", 2)), threading.Event()) is not None


def test_a_run_that_waits_for_its_turn_can_be_cancelled(store: MemoryStore, child: LimitedChild) -> None:
    work, cancelled = handler(store, child), threading.Event()
    work.at_once.acquire()
    threading.Timer(0.2, cancelled.set).start()

    assert work(first_work(put_run(store, "digits")), cancelled) is None


def test_cancelled_work_says_nothing_and_writes_nothing(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits")
    cancelled = threading.Event()
    cancelled.set()

    assert handler(store, child)(first_work(trained), cancelled) is None
    assert list(store.list(keys.evaluations("digits", trained.event.run_id, "none"))) == []
