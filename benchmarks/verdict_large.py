"""A set of a million rows of 64 numbers, judged from disk: how long that takes, and what memory it takes over the start.

python -m benchmarks.verdict_large [-n 1000000]

Data checks, agreement with model.h5 on every row, metrics with intervals, the comparison with the live model, gates. Each figure is
of a process of its own. The growth of a child is its peak over that of the same child with a set of SMALL rows.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np

from benchmarks.goals import Goal, at_most, table
from benchmarks.serving import TRAINING
from pushline.engine import row_hashes
from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.predictor_process import DEFAULT, PredictorProcess, TrialLimits
from pushline.evaluator.arrays import Array, BadArrays, Header, LazyArrays, write_arrays
from pushline.evaluator.assessed import Material, Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.ports import ProgramFile
from pushline.objects import manifest
from pushline.objects.manifest import Dataset, Gate, Manifest, Program, TensorSpec
from tests.faults.procfs import children_of, told

COLUMNS, CLASSES, SMALL, BATCH = 64, 10, 2_000, 50_000
MOST_SECONDS, MOST_MIB, LOOK_SECONDS = 60.0, 500.0, 0.02


class Made(LazyArrays):
    """Rows out of a seed, so that a set of any size is written without being held."""

    def __init__(self, classes: Array, rows: int) -> None:
        self._classes, self._rows = classes, rows

    def __iter__(self) -> Iterator[str]:
        return iter(("x", "y"))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, name: str) -> Array:
        raise BadArrays(f"{name} is never held")

    def header(self, name: str) -> Header:
        return Header((self._rows, COLUMNS), np.dtype(np.float32)) if name == "x" else Header((self._rows,), np.dtype(np.int64))

    def batches(self, name: str, rows: int = 0) -> Iterator[Array]:
        del rows
        for at in range(0, self._rows, BATCH):
            random = np.random.default_rng((7, at))
            x = random.normal(size=(min(BATCH, self._rows - at), COLUMNS)).astype(np.float32)
            noise = random.normal(size=(len(x), CLASSES))
            yield x if name == "x" else (x @ self._classes + noise).argmax(axis=1)


def about(folder: Path, rows: int, name: str) -> Manifest:
    contents = {
        each: (folder / path).read_bytes() for each, path in (("model.h5", f"{name}.h5"), ("program.tflite", f"{name}.tflite"))
    }
    files = [manifest.ManifestFile(each, hashlib.sha256(data).hexdigest(), len(data)) for each, data in contents.items()]
    return Manifest(
        schema=manifest.SCHEMA,
        model="large",
        run_id="0",
        generation=1,
        attempt=1,
        commit={},
        digest=files[0].sha256,
        files=tuple(files),
        programs=(Program("program.tflite", None),),
        inputs=(TensorSpec("x", "float32", (-1, COLUMNS)),),
        outputs=(TensorSpec("output_0", "float32", (-1, CLASSES)),),
        task="classification",
        labels=(),
        dataset=Dataset("0" * 64, 0, rows, "store", "s3://line/datasets/large/test.npz"),
        gates=(Gate("accuracy", 0.5, None, 0.01, {}, "repository"), Gate("f1", 0.5, None, 0.01, {}, "repository")),
        slices=("label",),
        from_logits=False,
        loss="",
        versions={},
        environment_sha256="",
        seeds={},
        history={},
        seconds=1.0,
        sandbox="bubblewrap",
    )


def material(folder: Path, rows: int, name: str, *, own: bool) -> Material:
    program = ProgramFile("program.tflite", folder / f"{name}.tflite", None)
    if not own:
        return Material(about(folder, rows, name), (program,))
    model = ProgramFile("model.h5", folder / f"{name}.h5", None, "tensorflow")
    return Material(
        about(folder, rows, name),
        (program,),
        folder / "set.npz",
        proof=folder / "proof.npz",
        training_rows=folder / "rows",
        model=model,
    )


def peak_of(pid: int, field: str = "VmHWM") -> float:
    """In MiB; 0 where it is gone."""
    lines = (line for line in told(pid, "status").splitlines() if line.startswith(f"{field}:"))
    return next((int(line.split()[1]) / 1024 for line in lines), 0.0)


class Watched(threading.Thread):
    """Looks at the peak of every process below this one. One's own grows only, so that the last look is near its end.

    What a process had before it became another program counts as its own to the kernel's accounting, and not here.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_mib, self._ended = 0.0, threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.most_mib = max([self.most_mib, *map(peak_of, children_of(os.getpid()))])


def measured(folder: Path, rows: int, *, asks: bool) -> dict[str, float]:
    """In a process of its own: seconds, the parent's growth and the largest child's peak, in MiB."""
    python, bubblewrap = Path(TRAINING).absolute() if asks else None, working_bubblewrap()
    predictors = PredictorProcess(TrialLimits(seconds=300), bubblewrap, DEFAULT)
    assessor = Assessor(LimitedChild(Limits(seconds=300), bubblewrap, tensorflow_python=python), Rules(), predictors)
    own = material(folder, rows, "candidate", own=True)
    own = own if asks else Material(own.manifest, own.programs, own.dataset, proof=own.proof, training_rows=own.training_rows)
    before, began = peak_of(os.getpid(), "VmRSS"), time.perf_counter()
    with Watched() as children:
        found = assessor.assess(own, material(folder, rows, "champion", own=False), threading.Event())
    seconds = time.perf_counter() - began
    assert found.measured is not None, found.verdict
    assert found.trial is not None
    assert found.trial.requests
    assert found.against == ("model.h5" if asks else "launcher_proof")
    assert found.facts is not None
    assert found.facts.leakage is not None
    return {"seconds": seconds, "parent": peak_of(os.getpid()) - before, "child": children.most_mib}


def proof(folder: Path, x: Array) -> None:
    """The candidate's own answers to some rows, for where Keras is not asked."""
    programs = (ProgramFile("program.tflite", folder / "candidate.tflite", None),)
    run = LimitedChild(Limits(), working_bubblewrap()).run(programs, {"x": x}, threading.Event())
    write_arrays(folder / "proof.npz", {"x.x": x, **{f"y.{name}": array for name, array in run.together.items()}})
    known = row_hashes.Known(np.unique(row_hashes.of_rows([x])), whole=True)
    (folder / "rows").write_bytes(row_hashes.dump(known))


def prepare(folder: Path, rows: int, *, packed: bool) -> None:
    made = Made(np.load(folder / "classes.npy"), rows)
    write_arrays(folder / "set.npz", made)
    if packed:
        with np.load(folder / "set.npz") as arrays:
            np.savez_compressed(folder / "set.npz", allow_pickle=False, **arrays)
    proof(folder, next(made.batches("x"))[:200])


def asked(folder: Path, rows: int, *, asks: bool) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.verdict_large", "--folder", str(folder), "-n", str(rows)]
    told_back = subprocess.run([*words, *(["--model"] if asks else [])], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(told_back.stdout)
    return figures


def compared(folder: Path, rows: int) -> list[Goal]:
    prepare(folder, SMALL, packed=False)
    small = {asks: asked(folder, SMALL, asks=asks) for asks in (False, True)}
    goals: list[Goal] = []
    print(f"| a set of {rows} x {COLUMNS} | seconds | parent MiB over the start | largest child MiB | over its small set MiB |")
    print("|---|---|---|---|---|")
    for packed in (False, True):
        prepare(folder, rows, packed=packed)
        for asks in (False, True):
            name = f"{'deflated' if packed else 'stored'}, {'model.h5 asked' if asks else 'launcher believed'}"
            figures = asked(folder, rows, asks=asks)
            grown = figures["child"] - small[asks]["child"]
            print(f"| {name} | {figures['seconds']:.1f} | {figures['parent']:.0f} | {figures['child']:.0f} | {grown:.0f} |")
            goals += [
                at_most(f"verdict on {rows} rows, {name}: time", MOST_SECONDS, figures["seconds"], "s"),
                at_most(f"verdict on {rows} rows, {name}: parent", MOST_MIB, figures["parent"], "MiB"),
                at_most(f"verdict on {rows} rows, {name}: child", MOST_MIB, grown, "MiB"),
            ]
    return goals


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.verdict_large", description="A verdict on a large set.")
    parser.add_argument("-n", type=int, default=1_000_000, help="rows")
    parser.add_argument("--folder", type=Path, help="measure what was prepared there, and print the figures")
    parser.add_argument("--model", action="store_true", help="with model.h5 asked")
    arguments = parser.parse_args(words)
    if arguments.folder is not None:
        print(json.dumps(measured(arguments.folder, arguments.n, asks=arguments.model)))
        return
    with TemporaryDirectory(prefix="pushline-large-") as name:
        subprocess.run([TRAINING, "benchmarks/large_models.py", name], check=True, capture_output=True)
        print("### A verdict on a large set\n")
        goals = compared(Path(name), arguments.n)
    print("\n" + table(goals))


if __name__ == "__main__":
    main(sys.argv[1:])
