"""From a signed webhook to the first answer of the new model by gRPC, less training and evaluation.

    python -m benchmarks.line [-n 300] [--json FILE] [--embedded]

On the real servers. Times of records are the broker's (LogAppendTime); webhook and answer are this process's, on the same machine's
clock. What training and evaluation took is what trainer and evaluator say it was:

* script: `seconds` of the manifest, from the start of the sandbox until its files are here: bubblewrap, the supervisor, the
  launcher with its imports (Keras, where it is the real one), the script, the files sent out;
* evaluation: `evaluation_seconds` of measured.json, from files and set that are here to the verdict: both models run and asked in
  the production predictor, measures, intervals, comparison, slices, gates. Fetching files and writing the report are the line's.
* programs: `child_seconds` of it, the part of the evaluation that its children take: from the start to the end of the limited
  process of the candidate and of that of the live model, and the waiting for the predictor's answers. By a narrower reading the
  line's own time is all but the script and these; it is in the table too ("… with all of the evaluator but its children").

The script is a stub, and so is the launcher: an interpreter without TensorFlow, whose launcher runs train.py (it copies weights to
model.h5) and hands over a program, a set and answers that are ready. Files of a few KiB: uploads of a large model are not in these
figures. Sandbox, supervisor, git, store, broker, checks and gates are real. What the sandbox costs is part of "apart: script";
"stub without sandbox" is the same stub started bare, so the difference of the two is the sandbox, and "with the sandbox" counts
that difference as the line's own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.client import Client, PredictionFailed
from pushline.line.ledger import Ledger, Run
from pushline.objects import keys
from pushline.objects import manifest as manifests
from tests.faults import repositories
from tests.faults.conftest import stub_interpreter
from tests.faults.places import Place, embedded_place, own_place
from tests.faults.processes import FaultLine, Wish, fault_line

MODEL, GOAL_SECONDS, WARM_UP, PAUSE_SECONDS = "bench", 0.25, 3, 0.0005
BARE_RUNS = 20
STAGES = ("webhook → commit", "commit → trained", "trained → evaluated", "evaluated → deployed", "deployed → first answer")
APART = {"commit → trained": "script", "trained → evaluated": "evaluation"}  # which stage holds what is not the line's own


@dataclass(frozen=True, slots=True)
class Push:
    """Seconds of one push, stage by stage, all included; training and evaluation apart."""

    stages: dict[str, float]
    apart: dict[str, float]
    programs: float  # the part of the evaluation that its children take
    accepted: float  # the webhook's answer
    served: float  # the replica's own report, after the webhook

    @property
    def wall(self) -> float:
        return sum(self.stages.values())

    @property
    def own(self) -> float:
        return self.wall - sum(self.apart.values())

    @property
    def beside_children(self) -> float:
        return self.wall - self.apart["script"] - self.programs

    def own_of(self, stage: str) -> float:
        return self.stages[stage] - self.apart.get(APART.get(stage, ""), 0.0)


class Bench:
    def __init__(self, line: FaultLine, client: Client) -> None:
        self._line, self._client = line, client

    def push(self, number: int) -> Push:
        """Push, tell the trainer, wait for the first answer of that model."""
        sha = self._line.repositories[MODEL].push(repositories.good(1.0 + number / 7))
        began, began_at = time.perf_counter(), time.time()
        status, answer = self._line.seen.hint(MODEL, sha)
        accepted = time.perf_counter() - began
        if status != 202:
            raise RuntimeError(f"the webhook was answered {status}: {answer}")
        run_id = str(answer["run_id"])
        digest = self._promoted(run_id)
        while self._answering() != digest:
            time.sleep(PAUSE_SECONDS)
        wall = time.perf_counter() - began
        served_ms = self._served(run_id)
        run = self._line.run(run_id)
        marks = [began_at, *_appended(run), began_at + wall]
        stages = dict(zip(STAGES, (after - before for before, after in pairwise(marks)), strict=True))
        return Push(stages, *self._apart(run), accepted, served_ms / 1000 - began_at)

    def _answering(self) -> str:
        try:
            return self._client.predict(repositories.X, model=MODEL).digest
        except PredictionFailed:  # nothing is deployed yet
            return ""

    def _promoted(self, run_id: str) -> str:
        run = self._line.seen.ended(run_id)
        if run.outcome != "deployed" or run.slot is None:
            raise RuntimeError(f"run {run_id}: {run.outcome} {run.reason}: {run.sentence}")
        return str(run.slot.event.digest)

    def _served(self, run_id: str) -> int:
        def found(ledger: Ledger) -> int | None:
            reports = ledger.runs[run_id].line.served.values()
            return next((entry.timestamp_ms for entry in reports if entry.event.run_id == run_id), None)

        return self._line.seen.tail.wait_until(found, 30)

    def _apart(self, run: Run) -> tuple[dict[str, float], float]:
        assert run.trained is not None
        store, sha256 = self._line.seen.store, run.trained.event.manifest_sha256
        made = manifests.load(store.read_bytes(keys.manifest(MODEL, run.run_id, sha256)))
        (baseline,) = run.evaluated
        folder = keys.evaluations(MODEL, run.run_id, baseline)
        (measured,) = (key for key in store.list(folder) if key.endswith("/measured.json"))
        taken = json.loads(store.read_bytes(measured))
        return {"script": made.seconds, "evaluation": taken["evaluation_seconds"]}, taken["child_seconds"]


def _appended(run: Run) -> list[float]:
    (verdict,) = run.evaluated.values()
    entries = (run.push, run.trained, verdict, run.slot)
    return [entry.timestamp_ms / 1000 for entry in entries if entry is not None]


def at(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def bare_stub(python: Path, folder: Path) -> list[float]:
    """Time the stub alone: the same interpreter, script and files, without sandbox and supervisor."""
    taken = []
    for number in range(BARE_RUNS):
        source, out = folder / f"source-{number}", folder / f"out-{number}"
        source.mkdir(parents=True)
        out.mkdir()
        for name, content in repositories.good(1.0).items():
            (source / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        began = time.perf_counter()
        words = [str(python), "-I", str(folder / "launch.py"), "--script", "train.py", "--out", str(out)]
        subprocess.run(words, cwd=source, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return taken


def table(pushes: Sequence[Push], bare: list[float], server: str) -> str:
    sandboxed = [push.own + push.apart["script"] - statistics.median(bare) for push in pushes]
    series = [("**line's own time**", [push.own for push in pushes]), ("line's own time, with the sandbox", sandboxed)]
    series += [("line's own time, with all of the evaluator but its children", [push.beside_children for push in pushes])]
    series += [(stage, [push.own_of(stage) for push in pushes]) for stage in STAGES]
    series += [(f"apart: {name}", [push.apart[name] for push in pushes]) for name in APART.values()]
    series += [("of it: programs", [push.programs for push in pushes])]
    series += [("webhook → 202", [push.accepted for push in pushes]), ("webhook → first answer", [push.wall for push in pushes])]
    series += [("webhook → served", [push.served for push in pushes]), ("stub without sandbox", bare)]
    rows = [f"### Webhook to first answer, {server}", "", "| what | n | p50 ms | p99 ms | max ms |", "|---|---|---|---|---|"]
    for name, values in series:
        p50, p99, worst = (1e3 * figure for figure in (statistics.median(values), at(values, 0.99), max(values)))
        rows.append(f"| {name} | {len(values)} | {p50:.0f} | {p99:.0f} | {worst:.0f} |")
    return "\n".join(rows) + "\n"


def as_json(pushes: Sequence[Push], server: str) -> str:
    own = [push.own for push in pushes]
    figures = {"n": len(own), "p50_seconds": statistics.median(own), "p99_seconds": at(own, 0.99), "goal_p99_seconds": GOAL_SECONDS}
    rows = [
        {
            "own": push.own,
            "beside_children": push.beside_children,
            "wall": push.wall,
            "stages": push.stages,
            "apart": push.apart,
            "programs": push.programs,
            "served": push.served,
        }
        for push in pushes
    ]
    return json.dumps({"benchmark": "line", "servers": server, **figures, "pushes": rows}, indent=1)


@contextmanager
def place(folder: Path, *, embedded: bool) -> Iterator[tuple[Place, str]]:
    """Give a broker and a store of our own, and their names."""
    with (embedded_place if embedded else own_place)(folder) as servers:
        yield servers, "embedded servers" if embedded else "real servers"


def main(words: Sequence[str]) -> None:
    arguments = parsed(words)
    with TemporaryDirectory(prefix="pushline-line-") as name, ExitStack() as stack:
        folder = Path(name)
        servers, told = stack.enter_context(place(folder, embedded=arguments.embedded))
        wish = Wish({MODEL: ""}, stub_interpreter(folder / "training"))
        line = stack.enter_context(fault_line(folder / "line", servers, wish))
        client = stack.enter_context(Client(line.seen.grpc))
        bench = Bench(line, client)
        pushes = [bench.push(number) for number in range(WARM_UP + arguments.n)][WARM_UP:]
        bare = bare_stub(wish.python, folder / "bare")
        if arguments.logs:
            keep_logs(line, Path(arguments.logs))
    print(table(pushes, bare, told))
    if arguments.json:
        Path(arguments.json).write_text(as_json(pushes, told) + "\n")


def keep_logs(line: FaultLine, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, service in line.services.items():
        (folder / f"{name}.log").write_bytes(service.log.read_bytes())


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.line", description="Webhook to first answer, stage by stage.")
    parser.add_argument("-n", type=int, default=300, help="pushes that are measured")
    parser.add_argument("--json", default="", help="file for every push's figures")
    parser.add_argument("--logs", default="", help="folder for the services' logs")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker and store: no figures of record")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(sys.argv[1:])
