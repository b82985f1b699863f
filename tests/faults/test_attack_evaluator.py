"""A hostile committer's evaluation set, answers and model: the evaluator's own memory and time stay bounded, and the run ends."""

import sys
import threading
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits
from pushline.evaluator.arrays import BadArrays, read_arrays
from pushline.evaluator.assessed import Assessment, Rules
from pushline.evaluator.curves import drawings
from pushline.evaluator.dataset import EvaluationSet, inputs_for
from pushline.evaluator.evaluated_event import event_of
from pushline.evaluator.measures import measure
from pushline.evaluator.on_trained import MAX_REPORT_BYTES
from pushline.evaluator.ports import ProgramFailed, ProgramFile
from pushline.evaluator.report import build
from pushline.evaluator.verdict import Evaluation, NotJudgeable, Verdict
from pushline.line.events import NOTHING_LIVE
from pushline.objects.manifest import TensorSpec
from pushline.reports.bounded import dump_within
from tests.fixtures.evaluator.story import RUNS, Story

MiB = 2**20
PROGRAM = ProgramFile("program.tflite", RUNS / "digits" / "program.tflite", None)
SIZE_IN_DIRECTORY = 24


def lying_archive(method: int) -> bytes:
    """A member of 64 MiB that says it has 1,000 bytes."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("y.npy", bytes(64 * MiB))
    data = bytearray(buffer.getvalue())
    place = data.rfind(b"PK\1\2") + SIZE_IN_DIRECTORY
    data[place : place + 4] = (1000).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_set_that_unpacks_to_more_than_it_says_takes_no_memory(method: int, tmp_path: Path) -> None:
    path = tmp_path / "dataset.npz"
    path.write_bytes(lying_archive(method))
    tracemalloc.start()

    with pytest.raises(BadArrays):
        read_arrays(path, 10_000)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * MiB


def test_small_numbers_that_grow_as_the_model_takes_them_are_bounded() -> None:
    rows = 2**28 + 1
    array = np.broadcast_to(np.int8(1), (rows, 1))

    with pytest.raises(NotJudgeable, match="array x has 2147483656 bytes as float64"):
        inputs_for(EvaluationSet({"x": array}, array, rows), [TensorSpec("x", "float64", (-1, 1))])


@pytest.mark.parametrize("shape", [(4, 0), (4, 2, 0)])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_answers_with_nothing_in_them_are_refused(task: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(NotJudgeable, match="there is nothing to judge"):
        measure(task, np.array([0, 1, 0, 1]), np.zeros(shape, np.float32), ())


def test_more_classes_than_anybody_can_name_are_refused_before_they_are_counted() -> None:
    with pytest.raises(NotJudgeable, match="the model has 1000000 classes; at most 10000 are judged"):
        measure("classification", np.array([0, 1]), np.broadcast_to(np.float32(0), (2, 1_000_000)), ())


def test_a_report_of_as_many_classes_as_can_be_is_one_that_is_read_again() -> None:
    truth = np.arange(200) * 50
    measured = measure("classification", truth, np.eye(10_000, dtype=np.float32)[truth], ())
    story = Story()
    work = Evaluation(story.trained(1), NOTHING_LIVE, None)
    found = Assessment(verdict=Verdict("accepted", "", "good"), measured=measured)

    data = dump_within(build(work, None, found, Rules()))

    assert measured.confusion == ()
    assert len(data) < MAX_REPORT_BYTES
    assert event_of(data, "a/report.json").verdict == "accepted"
    assert len(drawings(measured.answered)) == 3


def test_curves_of_millions_of_answers_are_drawn_from_some_and_keep_a_rare_class() -> None:
    truth = np.zeros(3_000_000, np.int64)
    truth[1_234_567] = 1
    scores = np.linspace(0, 1, len(truth), dtype=np.float32)[:, np.newaxis]
    measured = measure("classification", truth, scores, ())

    tracemalloc.start()
    charts = drawings(measured.answered)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(charts) == 3
    assert most < 400 * MiB


REACHES = """
import json, os, sys
from pathlib import Path
sys.path[:] = [each for each in sys.path if each]
from pushline.evaluator.confinement import give_up, readable_here
Path('ready').touch()
limits = {"memory_bytes": 1 << 32, "cpu_seconds": 60, "output_bytes": 1 << 20, "files": 64, "core_bytes": 0}
give_up(limits, readable_here(), [os.getcwd()])
reached = []
def attempt(name, act):
    try:
        act()
        reached.append(name)
    except OSError:
        pass
attempt("a secret", lambda: open(%(secret)r).read())
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("home", lambda: os.listdir("/root/.ssh"))
attempt("the evaluator's environment", lambda: open(f"/proc/{os.getppid()}/environ").read())
attempt("the evaluator's memory", lambda: open(f"/proc/{os.getppid()}/mem", "rb"))
attempt("writing", lambda: open(%(secret)r + ".new", "w"))
attempt("writing to the interpreter", lambda: open(sys.prefix + "/canary", "w"))
json.dump({"reason": "said", "sentence": str(reached)}, open("result.json", "w"))
"""


def test_without_bubblewrap_landlock_keeps_a_program_from_files_and_processes(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    command = (sys.executable, "-I", "-c", REACHES % {"secret": str(secret)})

    with pytest.raises(ProgramFailed) as caught:
        LimitedChild(Limits(seconds=20), "", command).run([PROGRAM], {"pixels": np.zeros((1, 64), np.float32)}, threading.Event())

    assert caught.value.sentence == "the program cannot be run: []"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
