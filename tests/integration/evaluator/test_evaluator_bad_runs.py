"""Runs that cannot be judged well: each ends as an outcome with a reason and a report."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits
from pushline.evaluator.assessed import Rules
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import judge, page_of, report_of
from tests.fixtures.evaluator.story import RUNS, first_work, gate, npz, put_run, serving_of

PROGRAMS = RUNS.parent / "programs"


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


def narrow() -> Mapping[str, bytes]:
    with np.load(RUNS / "digits" / "answers.npz") as data:
        return {"answers.npz": npz(digit=data["digit"][:, :9])}


def two_targets() -> Mapping[str, bytes]:
    with np.load(RUNS / "digits" / "dataset.npz") as data:
        return {"dataset.npz": npz(x=data["x"], y=np.stack([data["y"], data["y"]], axis=1))}


def pickled() -> bytes:
    """With allow_pickle, as np.savez is by default."""
    buffer = BytesIO()
    np.savez(buffer, x=X, y=np.array([{}] * ROWS, dtype=object))
    return buffer.getvalue()


ROWS = 360
X = np.ones((ROWS, 64))
BAD = [
    Bad(
        "no set",
        "no_evaluation_set",
        "let train.py call model.evaluate",
        changes=lambda: {"dataset": None},
    ),
    Bad("a set that is no set", "dataset", "not a readable .npz file", replaced=lambda: {"dataset.npz": b"hello"}),
    Bad(
        "a set cut short",
        "dataset",
        "not a readable .npz file",
        replaced=lambda: {"dataset.npz": (RUNS / "digits" / "dataset.npz").read_bytes()[:-100]},
    ),
    Bad("an empty set", "dataset", "it is empty", replaced=arrays(x=np.ones((0, 64)), y=np.ones(0))),
    Bad("a set of other arrays", "dataset", "array y is missing; there is a, x", replaced=lambda: {"dataset.npz": npz(x=X, a=X)}),
    Bad("a set of objects", "dataset", "array y holds Python objects", replaced=lambda: {"dataset.npz": pickled()}),
    Bad(
        "a set with a label that is not named",
        "dataset",
        "y holds labels from 0 to 10; pushline.toml names 10 labels, 0 to 9",
        replaced=arrays(y=np.arange(ROWS) % 11),
        changes=lambda: {"labels": tuple("0123456789")},
    ),
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
    Bad("answers of another shape", "program_disagrees", "have the shape (360, 10), Keras' have (360, 9)", replaced=narrow),
    Bad("answers of fewer rows than y", "dataset", "y has the shape (360, 2); the model's answers", replaced=two_targets),
    Bad("answers of NaN", "not_finite", "hold NaN or infinity", replaced=keras(float("nan"))),
    Bad("answers that are no arrays", "no_answers", "answers.npz) cannot be read", replaced=lambda: {"answers.npz": b"?"}),
    Bad("no program", "no_program", "the run has no serving program", changes=lambda: {"programs": ()}),
    Bad("an unknown task", "unknown_task", "the task 'ranking' is unknown", changes=lambda: {"task": "ranking"}),
    Bad("an unknown gate", "unknown_gate", "gate robust_accuracy", changes=lambda: {"gates": (gate("robust_accuracy", 0.5),)}),
    Bad("labels of another model", "dataset", "pushline.toml names 2 labels", changes=lambda: {"labels": ("a", "b")}),
    Bad("another model.h5", "bad_manifest", "is of another run or model", changes=lambda: {"digest": "a" * 64}, verdict="failed"),
    Bad("another run", "bad_manifest", "is of another run", changes=lambda: {"run_id": "x"}, verdict="failed"),
]


GIVES_UP = """
import json, os
from pathlib import Path
from pushline.evaluator.confinement import give_up, readable_here
give_up(json.loads(Path("request.json").read_text())["limits"], readable_here(), [os.getcwd()])
Path("ready").touch()
"""
EATS = "import numpy; kept = [numpy.empty(2**27, numpy.uint8) for _ in range(64)]"


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


ENDS = [
    ("crashes", "import os; os.abort()", "program_crashed", "(SIGABRT)"),
    ("hangs", "import time; time.sleep(600)", "program_timeout", "did not end in time; it had 2 s"),
    ("eats memory", EATS, "program_crashed", "1024 MiB"),
    ("fills its disk", "open('together.npz', 'wb').write(bytes(2**21))", "program_crashed", "ended the process that ran it"),
]


@pytest.mark.parametrize(("name", "code", "reason", "words"), ENDS, ids=[case[0] for case in ENDS])
def test_a_program_that_ends_its_child_is_a_verdict_and_the_next_run_is_judged(
    store: MemoryStore, child: LimitedChild, name: str, code: str, reason: str, words: str
) -> None:
    del name
    limits = Limits(memory_bytes=2**30, seconds=2 if reason == "program_timeout" else 30, output_bytes=2**20)
    command = (sys.executable, "-I", "-c", GIVES_UP + code)

    event = judge(store, LimitedChild(limits, child.bubblewrap, command), first_work(put_run(store, "digits", 1)))
    after = judge(store, child, first_work(put_run(store, "digits", 2)))

    assert (event.verdict, event.reason) == ("rejected", reason)
    assert words in event.sentence
    assert [file.name for file in event.files] == ["model.h5"]
    assert after.verdict == "accepted"


def test_a_live_program_that_kills_its_child_is_no_fault_of_the_new_one(store: MemoryStore, child: LimitedChild) -> None:
    live = put_run(store, "digits", 1)
    broken = store.read_bytes(keys.model_file("digits", live.event.files[1].sha256, "program.tflite"))[:2000]
    spoiled = put_run(store, "digits", 2, replaced={"program.tflite": broken})

    event = judge(store, child, first_work(put_run(store, "digits", 3, gates=[gate("accuracy", 0.9)]), serving_of(spoiled)))

    assert event.verdict == "accepted"
    assert "cannot be measured" in report_of(store, event)["champion"]["problem"]
