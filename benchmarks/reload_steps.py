"""What each step of a reload takes: in the child that prepares, and in the process that serves.

    python -m benchmarks.reload_steps [-n 20]

The MLP 784-128-64-10, a new model each time, on a real store; nobody is served meanwhile (benchmarks/reload.py has that).
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.serving import TRAINING
from pushline.line.memory import MemoryLog
from pushline.objects.minio_store import MinioStore
from pushline.predictor.adapters.litert_programs import open_programs
from pushline.predictor.models import Models
from pushline.predictor.opening import Opening
from pushline.predictor.prepared import ModelFiles
from pushline.predictor.process import preparer
from pushline.predictor.residents import Residents
from pushline.predictor.serving import Identity, Loaded
from tests import server_kinds
from tests.fixtures.predictor.deploying import Line
from tests.fixtures.predictor.running import settings
from tests.servers import chosen

T = TypeVar("T")
MODEL = "numbers"


class Steps:
    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def timed(self, name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        done = work()
        self.taken.setdefault(name, []).append(time.perf_counter() - began)
        return done

    def table(self) -> str:
        rows = ["| step | n | median ms | p99 ms |", "|---|---|---|---|"]
        for name, taken in self.taken.items():
            worst = sorted(taken)[min(len(taken) - 1, round(0.99 * len(taken)))]
            rows.append(f"| {name} | {len(taken)} | {statistics.median(taken) * 1e3:.2f} | {worst * 1e3:.2f} |")
        return "\n".join(rows) + "\n"


def measure(n: int, folder: Path, program: bytes, stack: ExitStack) -> tuple[Steps, str]:
    store, said = server_kinds.store(stack, chosen())
    names = {"s3_endpoint": store.endpoint, "s3_bucket": store.bucket}
    names |= {"s3_access_key": store.access_key, "s3_secret_key": store.secret_key}
    preparing = preparer(settings(folder / "cache", **names))
    stack.callback(preparing.close)
    line, residents, steps = Line(MemoryLog(), MinioStore(*store)), Residents(keeps=True), Steps()
    models, opening = Models(frozenset({MODEL}), let_go=residents.give_back), Opening(open_programs)
    preparing.prepare(ModelFiles.of(MODEL, line.upload(MODEL, 0, program, "classification", ())))  # starts the child
    for number in range(1, n + 1):
        served = program + number.to_bytes(4, "little")  # other bytes, the same program
        wanted = ModelFiles.of(MODEL, line.upload(MODEL, number, served, "classification", ()))
        identity = Identity(MODEL, wanted.digest, "", number, wanted.run_id, f"event {number}")
        prepared = steps.timed("child: fetch, verify, check, estimate", partial(preparing.prepare, wanted))
        steps.timed("child: try", partial(preparing.try_out, prepared))
        loaded: Loaded = steps.timed(
            "serving process: open, warm up",
            partial(opening, prepared, identity, models.current(MODEL)),
        )
        residents.add(wanted, loaded)
        steps.timed("serving process: swap", partial(models.swap, loaded))
        steps.timed("serving process: let the one before the last go", models.free_retired)
    return steps, said


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.reload_steps", description="Each step of a reload.")
    parser.add_argument("-n", type=int, default=20, help="reloads")
    n: int = parser.parse_args(words).n
    with TemporaryDirectory(prefix="pushline-steps-") as name, ExitStack() as stack:
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        steps, said = measure(n, Path(name), (Path(name) / "mlp.tflite").read_bytes(), stack)
    print(f"### A reload, step by step ({said})\n\n{steps.table()}")


if __name__ == "__main__":
    main(sys.argv[1:])
