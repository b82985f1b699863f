"""Computes a repository's own metrics, each in a limited child of its own (metric_child.py), which needs bubblewrap.

A child gets labels, answers and the repository's Python files; it has no network, no credentials and nothing else of this machine.
"""

import json
import math
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pushline.evaluator import seccomp
from pushline.evaluator.adapters.beginning import begin
from pushline.evaluator.adapters.limited_child import (
    ENVIRONMENT,
    LimitedChild,
    bubblewrapped,
    last_line,
    own_folders,
    read_stranger,
)
from pushline.evaluator.arrays import Array, write_arrays
from pushline.evaluator.findings import OwnMetric
from pushline.evaluator.ports import CannotRun

if TYPE_CHECKING:
    import subprocess

READY, RESULT, BUNDLE = "ready", "result.json", "metrics.zip"  # as in metric_child.py, which is never imported here
TRUTH, ANSWERS = "y", "a"
COMMAND = (sys.executable, "-I", "-m", "pushline.evaluator.metric_child")
NEEDS = "it is computed only where bubblewrap works and system calls can be refused, on x86-64 and aarch64"
MAX_RESULT_BYTES = 2**14
MAX_PROBLEM = 500
MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class MetricChildren(LimitedChild):
    def compute(
        self,
        functions: Sequence[str],
        bundle: Path,
        truth: Mapping[str, Array],
        answers: Mapping[str, Array],
        cancelled: threading.Event,
    ) -> tuple[OwnMetric, ...]:
        if not self.bubblewrap or not seccomp.known_here():
            return tuple(_without_number(function, NEEDS) for function in functions)
        with TemporaryDirectory(prefix="pushline-metrics-", dir=self.scratch) as name:
            given = Path(name) / "arrays.npz"
            write_arrays(given, {**truth, **{f"{ANSWERS}.{output}": array for output, array in answers.items()}})
            return tuple(self._compute(function, bundle, given, cancelled) for function in functions)

    def _compute(self, function: str, bundle: Path, given: Path, cancelled: threading.Event) -> OwnMetric:
        with TemporaryDirectory(prefix="pushline-metric-", dir=self.scratch) as name:
            folder = Path(name)
            shutil.copyfile(bundle, folder / BUNDLE)
            request = {"function": function, "arrays": str(given.resolve()), "limits": self._limits()}
            (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
            status = self._wait(self._begin(folder, given), cancelled)
            if not (folder / READY).exists():
                said = last_line(folder / "output.txt") or f"exit status {status}"
                raise CannotRun(f"the child process of evaluate.metrics does not start: {said}")
            if status != 0:
                ended = f"did not end within {self.limits.seconds:g} s" if status is None else f"ended with {status}"
                return _without_number(function, f"the process that computed it {ended}")
            return _told(function, folder)

    def _limits(self) -> dict[str, int]:
        return {
            "memory_bytes": self.limits.memory_bytes,
            "cpu_seconds": math.ceil(self.limits.seconds) * (os.cpu_count() or 1),
            "output_bytes": MAX_RESULT_BYTES,
            "files": self.limits.files,
            "core_bytes": 0,
        }

    def _begin(self, folder: Path, given: Path) -> "subprocess.Popen[bytes]":
        enclosed = bubblewrapped(self.bubblewrap, folder, [*own_folders(), str(given.resolve())])
        try:
            with (folder / "output.txt").open("wb") as output:
                return begin(enclosed, COMMAND, folder, output, ENVIRONMENT)
        except OSError as error:
            raise CannotRun(f"the child process of evaluate.metrics does not start: {error}") from error


def _told(function: str, folder: Path) -> OwnMetric:
    try:
        said = json.loads(read_stranger(folder / RESULT, MAX_RESULT_BYTES))
        if "problem" in said:
            return _without_number(function, str(said["problem"]))
        value = said["value"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return _without_number(function, f"the process that computed it left no readable number: {error}")
    if not isinstance(value, float) or not math.isfinite(value):
        return _without_number(function, "it gave no finite number")
    return OwnMetric(_name(function), function, value)


def _without_number(function: str, problem: str) -> OwnMetric:
    plain = "".join(each if each.isprintable() else " " for each in problem)
    return OwnMetric(_name(function), function, None, plain[:MAX_PROBLEM])


def _name(function: str) -> str:
    return function.rpartition(":")[2]
