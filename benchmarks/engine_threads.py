"""What LiteRT's interpreter costs and what its options change: threads, XNNPACK, what holds Python's lock, memory.

    python -m benchmarks.engine_threads [FOLDER]

FOLDER keeps the models between runs; they are trained first where it has none. Interpreters are asked in turn, so that a
machine that drifts drifts for all. The first tables are of engine_memory.py.
"""

import hashlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.engine_memory import imports, loads
from pushline.engine.check import check_program
from pushline.engine.engine import Array
from tests.fixtures.engine.kinds import Kind, make, read

KINDS = ("mlp", "embedding", "two-inputs", "convolution", "photo", "lstm", "large")
BATCHES = (1, 64)
ROUNDS, ROUND_SECONDS = 15, 0.02  # of each interpreter, in turn
PLAIN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "1 thread": {"num_threads": 1},
    "2 threads": {"num_threads": 2},
    "without XNNPACK": {"num_threads": 1, "experimental_op_resolver_type": PLAIN},
    "latest features": {"num_threads": 1, "experimental_default_delegate_latest_features": True},
}
ROWS, OTHER_ROWS, REPEATS = 64, 7, 5


@dataclass(frozen=True)
class Job:
    """A batch as the engine would run it: programs of a fixed batch are run several times."""

    interpreter: Interpreter
    inputs: list[tuple[int, Array]]
    outputs: list[int]
    runs: int

    def __call__(self) -> None:
        for _ in range(self.runs):
            for index, array in self.inputs:
                self.interpreter.set_tensor(index, array)
            self.interpreter.invoke()
            for index in self.outputs:
                self.interpreter.get_tensor(index)


def job(kind: Kind, batch: int, options: Mapping[str, object]) -> Job:
    fitting = [program for program in kind.programs if (program[1] or batch) <= batch]
    path, fixed = fitting[-1]
    rows = kind.rows(fixed or batch)
    interpreter = Interpreter(model_content=path.read_bytes(), **options)
    signature = next(iter(interpreter._get_full_signature_list().values()))  # noqa: SLF001 as the engine does
    inputs = {index: rows[name] for name, index in signature["inputs"].items()}
    resize(interpreter, inputs)
    return Job(interpreter, list(inputs.items()), list(signature["outputs"].values()), batch // (fixed or batch))


def resize(interpreter: Interpreter, inputs: Mapping[int, Array]) -> None:
    for index, array in inputs.items():
        interpreter.resize_tensor_input(index, array.shape, strict=True)
    interpreter.allocate_tensors()


def latencies(kinds: Mapping[str, Kind]) -> str:
    """Wall time by option; the CPU time of two threads is what they cost the neighbours."""
    head = " | ".join(f"{name} µs" for name in OPTIONS)
    lines = [
        f"| model | rows | {head} | 2 threads: of the time | of the CPU time |",
        "|---|---" + "|---" * (len(OPTIONS) + 2) + "|",
    ]
    for name, kind in kinds.items():
        for batch in BATCHES:
            jobs = {option: job(kind, batch, values) for option, values in OPTIONS.items()}
            wall, cpu = timed(jobs)
            times = " | ".join(f"{wall[option]:.1f}" for option in OPTIONS)
            ratios = [taken["2 threads"] / taken["1 thread"] for taken in (wall, cpu)]
            lines.append(f"| {name} | {batch} | {times} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


def timed(jobs: Mapping[str, Callable[[], None]]) -> tuple[dict[str, float], dict[str, float]]:
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    cpu: dict[str, list[float]] = {name: [] for name in jobs}
    counts = {name: calls(each) for name, each in jobs.items()}
    for _ in range(ROUNDS):
        for name, each in jobs.items():
            began, spent = time.perf_counter(), time.process_time()
            for _ in range(counts[name]):
                each()
            wall[name].append((time.perf_counter() - began) / counts[name] * 1e6)
            cpu[name].append((time.process_time() - spent) / counts[name] * 1e6)
    return {name: statistics.median(taken) for name, taken in wall.items()}, {
        name: statistics.median(taken) for name, taken in cpu.items()
    }


def calls(each: Callable[[], None]) -> int:
    """So many fill a round."""
    each()
    began = time.perf_counter()
    each()
    return max(1, round(ROUND_SECONDS / (time.perf_counter() - began)))


def resizes(kinds: Mapping[str, Kind]) -> str:
    """Batches of two sizes in turn: by an interpreter for each, and by one that is resized."""
    lines = ["| model | two interpreters µs | one, resized µs | a resize µs |", "|---|---|---|---|"]
    for name, kind in kinds.items():
        if len(kind.programs) > 1:
            continue
        small, large, both = (job(kind, rows, OPTIONS["1 thread"]) for rows in (1, OTHER_ROWS, 1))

        def kept(small: Job = small, large: Job = large) -> None:
            small()
            large()

        def resized(small: Job = small, large: Job = large, both: Job = both) -> None:
            for each in (small, large):
                resize(both.interpreter, dict(each.inputs))
                replace(each, interpreter=both.interpreter)()

        wall, _ = timed({"kept": kept, "resized": resized})
        cost = (wall["resized"] - wall["kept"]) / 2
        lines.append(f"| {name} | {wall['kept']:.1f} | {wall['resized']:.1f} | {cost:.1f} |")
    return "\n".join(lines)


class Counting:
    """A second thread that counts, and notes the longest time in which it could not."""

    def __init__(self) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self.longest = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self._ready.set()
        before = time.perf_counter()
        while not self._stop.is_set():
            now = time.perf_counter()
            self.longest, before = max(self.longest, now - before), now


Note = Callable[[str, Callable[[], Any]], Any]


def locks(kind: Kind) -> str:
    """Medians of `REPEATS` interpreters of a large program."""
    noted: dict[str, list[tuple[float, float]]] = {}

    def note(step: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 what the step gives
        with Counting() as counting:
            began = time.perf_counter()
            answer = call()
            took = time.perf_counter() - began
        noted.setdefault(step, []).append((took, counting.longest))
        return answer

    for _ in range(REPEATS):
        steps(kind, note)
    lines = ["| step | takes ms | another thread stood still ms |", "|---|---|---|"]
    for step, pairs in noted.items():
        took, held = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
        lines.append(f"| {step} | {took:.2f} | {held:.2f} |")
    return "\n".join(lines)


def steps(kind: Kind, note: Note) -> None:
    ((path, _),) = kind.programs
    ((_, rows),) = kind.rows(ROWS).items()
    note("nothing (a sleep of 20 ms)", lambda: time.sleep(0.02))
    content = note("reading the file", path.read_bytes)
    note("SHA-256 of it", lambda: hashlib.sha256(content).digest())
    note("check_program (Python)", lambda: check_program(path))
    interpreter = note("Interpreter(model_content)", lambda: Interpreter(model_content=content, num_threads=1))
    note("its signatures", interpreter._get_full_signature_list)  # noqa: SLF001 as the engine does
    index, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    note("resize_tensor_input", lambda: interpreter.resize_tensor_input(index, rows.shape, strict=True))
    note("allocate_tensors", interpreter.allocate_tensors)
    note("set_tensor", lambda: interpreter.set_tensor(index, rows))
    note("invoke, the first", interpreter.invoke)
    note("invoke", interpreter.invoke)
    note("get_tensor", lambda: interpreter.get_tensor(answer))
    note("resize_tensor_input and allocate_tensors again, 1 row", lambda: resize(interpreter, {index: rows[:1]}))
    note("freeing it", interpreter.__dict__.clear)


def models(folder: Path) -> dict[str, Kind]:
    missing = [name for name in KINDS if not (folder / name / "answers.npz").is_file()]
    return make(folder, missing) | {name: read(folder / name) for name in KINDS if name not in missing}


def main() -> None:
    with TemporaryDirectory() as temporary:
        kinds = models(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary))
        print(f"### Imports\n\n{imports()}\n", flush=True)
        print(f"### What holds Python's lock: 50 MB of weights, {ROWS} rows\n\n{locks(kinds['large'])}\n", flush=True)
        print(f"### Batches of 1 and {OTHER_ROWS} rows in turn\n\n{resizes(kinds)}\n", flush=True)
        print(f"### Loading, {ROWS} rows (the LSTM: 32)\n\n{loads(kinds)}\n", flush=True)
        print(f"### Measured choice of threads\n\n{latencies(kinds)}\n", flush=True)


if __name__ == "__main__":
    main()
