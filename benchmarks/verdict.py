"""How long a verdict takes: metrics with intervals, the comparison with the live model and the gates, of 10,000 rows x 784 numbers.

    python -m benchmarks.verdict [-n 9] [--rows 10000]

The Assessor is called as the evaluator calls it: both programs run in limited children. Beside it, one model's metrics alone, and
what resampling would take with scikit-learn: every metric of both models on each of 1,000 resamples, estimated from 20.
"""

import argparse
import hashlib
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn import metrics as sk

from benchmarks.goals import at_most
from benchmarks.goals import table as goals
from benchmarks.timing import Series, interleaved, table
from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.predictor_process import DEFAULT, PredictorProcess, TrialLimits
from pushline.evaluator.arrays import Array, read_arrays
from pushline.evaluator.assessed import Assessment, Material, Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.measures import measure
from pushline.evaluator.ports import ProgramFile
from pushline.evaluator.sums import RESAMPLES
from pushline.objects.manifest import DYNAMIC, Dataset, Gate, Manifest, ManifestFile, Program, TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.story import put_run

TRAINING = ".venv/training/bin/python"
WIDTH, CLASSES = 784, 10
WANTED_SECONDS = 5.0
TRIED = 20  # resamples that scikit-learn is timed on
GATED = ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss")


def manifest_of(program: Path, rows: int) -> Manifest:
    about, content = put_run(MemoryStore(), "digits").manifest, program.read_bytes()
    own = ManifestFile("program.tflite", hashlib.sha256(content).hexdigest(), len(content))
    return replace(
        about,
        files=tuple(own if file.name == own.name else file for file in about.files),
        programs=(Program("program.tflite", None),),
        inputs=(TensorSpec("x", "float32", (DYNAMIC, WIDTH)),),
        outputs=(TensorSpec("output_0", "float32", (DYNAMIC, CLASSES)),),
        labels=tuple(map(str, range(CLASSES))),
        dataset=Dataset("0" * 64, 1, rows, "repository", "benchmark"),
        gates=tuple(Gate(metric, None, None, 0.02, {}, "repository") for metric in GATED),
        slices=("label",),
    )


def material(folder: Path, name: str, rows: int) -> Material:
    program = ProgramFile("program.tflite", folder / f"{name}.tflite", None)
    return Material(manifest_of(program.path, rows), (program,), folder / "dataset.npz", folder / "answers.npz")


def by_scikit_learn(truth: Array, answers: Array) -> None:
    """Every metric that scikit-learn has, once."""
    said, marked = answers.argmax(axis=1), np.eye(CLASSES)[truth]
    sk.accuracy_score(truth, said)
    sk.balanced_accuracy_score(truth, said)
    for average in ("macro", "weighted", None):
        sk.precision_recall_fscore_support(truth, said, average=average, zero_division=0)
    sk.log_loss(truth, answers, labels=range(CLASSES))
    sk.brier_score_loss(truth, answers, labels=range(CLASSES))
    sk.roc_auc_score(marked, answers, average="macro")
    sk.average_precision_score(marked, answers, average="macro")
    for k in (3, 5):
        sk.top_k_accuracy_score(truth, answers, k=k, labels=range(CLASSES))


def resampling(truth: Array, answers: Array) -> Callable[[], None]:
    random = np.random.default_rng(1)

    def once() -> None:
        rows = random.integers(0, len(truth), len(truth))
        by_scikit_learn(truth[rows], answers[rows])

    return once


def judged(assessor: Assessor, own: Material, live: Material) -> Assessment:
    found = assessor.assess(own, live, threading.Event())
    assert found.verdict.verdict == "accepted", found.verdict.sentence
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=9)
    parser.add_argument("--rows", type=int, default=10_000)
    asked = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([TRAINING, "benchmarks/verdict_programs.py", name, str(asked.rows)], check=True, capture_output=True)
        truth = read_arrays(folder / "dataset.npz", 2**30)["y"]
        own, live = (material(folder, each, asked.rows) for each in ("candidate", "champion"))
        bubblewrap = working_bubblewrap()
        predictors = PredictorProcess(TrialLimits(), bubblewrap, DEFAULT)
        assessor = Assessor(LimitedChild(Limits(), bubblewrap), Rules(), predictors)
        found = judged(assessor, own, live)
        assert found.run is not None
        answers = found.run.together["output_0"]
        series = interleaved(
            [
                ("verdict: programs, metrics, intervals, comparison, trial, gates", lambda: judged(assessor, own, live)),
                ("metrics and intervals of one model", lambda: measure("classification", truth, answers, ())),
            ],
            asked.n,
        )
        (once,) = interleaved([("", resampling(truth, answers))], TRIED)
    print(told(found, series, once, asked.rows))


def told(found: Assessment, series: list[Series], once: Series, rows: int) -> str:
    beside = Series(f"scikit-learn on {RESAMPLES} resamples, from {TRIED}", tuple(each * 2 * RESAMPLES for each in once.seconds))
    wanted = at_most(f"a verdict of {rows} rows x {WIDTH}, median", WANTED_SECONDS, series[0].median, "s")
    return "\n".join(
        [
            table(
                f"A verdict: {rows} rows x {WIDTH} numbers, {CLASSES} classes, against a live model", [*series, beside], unit="ms"
            ),
            f"{found.verdict.verdict}: {found.verdict.sentence}",
            "",
            goals([wanted]),
        ]
    )


if __name__ == "__main__":
    main()
