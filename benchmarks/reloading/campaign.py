"""A predictor on one core, everything else on the other; models deployed in turn under a load with a schedule."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.hostile.subject import Subject
from benchmarks.reloading.generator import row
from benchmarks.reloading.windows import Array, Run
from open_inference import open_inference_grpc_pb2 as oip
from pushline.cli.line_file import StoreAccess
from pushline.engine.litert import load
from pushline.line.events import Serving
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import Stored
from tests.faults.places import Place
from tests.faults.processes import Wish, fault_line
from tests.faults.procfs import told
from tests.fixtures.predictor.deploying import Line

TRAINING = ".venv/training/bin/python"
MODEL = "bench"
SERVER_CORE, OTHER_CORE = 0, 1
CONNECTIONS, IN_FLIGHT = 4, 64
START_SECONDS, SWAP_SECONDS = 60.0, 30.0
BLOCK, OVER_SECONDS = 25, 0.5  # swaps, and the seconds after the last one in which nothing of it goes on any more
TICKS = os.sysconf("SC_CLK_TCK")


class Swap(NamedTuple):
    """One deployment: when its record was reported as delivered, and when the first answer by it came."""

    deploy_seq: int
    told: float
    seen: float


@dataclass(frozen=True)
class Resources:
    resident_mib: float
    threads: int
    descriptors: int


def programs(folder: Path, count: int, units: Sequence[int]) -> list[Path]:
    words = [TRAINING, "benchmarks/reloading/programs.py", str(folder), str(count), *map(str, units)]
    subprocess.run(words, check=True, capture_output=True)
    return [folder / f"{number}.tflite" for number in range(count)]


def outputs(paths: Sequence[Path]) -> list[Array]:
    """Give what each program answers to the one row."""
    found = []
    for path in paths:
        engine = load([(path, None)])
        found.append(next(iter(engine.run({"x": row()}).values())).ravel())
        engine.close()
    return found


class EachOnce(MinioStore):
    """Is sent each object once: many deployments are of one program, which may be large."""

    def __init__(self, access: StoreAccess) -> None:
        super().__init__(access.endpoint, access.bucket, access.access_key, access.secret_key, access.region)
        self._sent: dict[str, Stored] = {}

    def put_bytes(self, key: str, data: bytes) -> Stored:
        if key not in self._sent:
            self._sent[key] = super().put_bytes(key, data)
        return self._sent[key]


@dataclass
class Deployer:
    """Models whose files lie in the store before the run begins, so that a deployment is one record."""

    line: Line
    known: Sequence[Array]  # by program
    servings: list[Serving] = field(default_factory=list)  # by deploy_seq, from 1

    @classmethod
    def prepared(cls, line: Line, paths: Sequence[Path], count: int) -> "Deployer":
        contents = [path.read_bytes() for path in paths]
        made = cls(line, outputs(paths))
        made.servings = [
            line.upload(MODEL, number, contents[number % len(contents)], "classification", ()) for number in range(1, count + 1)
        ]
        return made

    def next(self) -> tuple[int, float]:
        """Deploy the next model; give its deploy_seq and the time at which the broker had reported the record as delivered."""
        before = self.line.newest.get(MODEL)
        seq = before.deploy_seq + 1 if before else 1
        self.line.append(self.line.promote(MODEL, self.servings[seq - 1]))
        return seq, time.perf_counter()

    def right(self, payload: bytes) -> tuple[int, bool]:
        """Give the deploy_seq that an answer names, and whether digest and numbers are that model's."""
        answer = oip.ModelInferResponse.FromString(payload)
        seq = int(answer.model_version or 0)
        y = np.frombuffer(b"".join(answer.raw_output_contents), "<f4")
        known = self.known[seq % len(self.known)]
        same = y.shape == known.shape and bool((np.abs(y - known) <= 1e-5).all())
        return seq, same and answer.parameters["digest"].string_param == self.servings[seq - 1].digest


class Load:
    """The generator's process; what it says of new answers is heard at once."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.scheduling = self._line()[1]
        self._seen: dict[int, float] = {}  # deploy_seq → first answer
        self._changed = threading.Condition()
        self._said: list[str] = []
        self._payloads: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def closed(self, seconds: float, in_flight: int) -> float:
        return float(self._ask(f"closed {seconds} {in_flight}", seconds + START_SECONDS)[1])

    @contextmanager
    def open(self, rate: float, file: Path) -> Iterator[None]:
        self._tell(f"open {rate!r} {file}")
        yield
        self._ask("stop", START_SECONDS)

    def wait_for(self, deploy_seq: int) -> float:
        """Give the time of the first answer by this model or a newer one."""
        with self._changed:
            found = self._changed.wait_for(lambda: max(self._seen, default=0) >= deploy_seq, SWAP_SECONDS)
            assert found, f"no answer by deploy_seq {deploy_seq} within {SWAP_SECONDS} s"
            return min(at for seq, at in self._seen.items() if seq >= deploy_seq)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _ask(self, line: str, seconds: float) -> list[str]:
        self._tell(line)
        with self._changed:
            assert self._changed.wait_for(lambda: self._said, seconds), f"the generator does not answer to {line!r}"
            return self._said.pop().split()

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def _listen(self) -> None:
        while words := self._line():
            with self._changed:
                if words[0] == "new":
                    self._note(float(words[2]), bytes.fromhex(words[4]) if len(words) > 4 else b"")
                else:
                    self._said.append(" ".join(words))
                self._changed.notify_all()

    def _note(self, now: float, payload: bytes) -> None:
        seq = int(oip.ModelInferResponse.FromString(payload).model_version or 0)
        self._seen.setdefault(seq, now)


@contextmanager
def generating(port: int) -> Iterator[Load]:
    command = [sys.executable, "-m", "benchmarks.reloading.generator", str(port), MODEL, str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Load(process)
        finally:
            process.kill()


@contextmanager
def predictor(folder: Path, place: Place, paths: Sequence[Path], count: int) -> Iterator[tuple[Subject, Deployer]]:
    """Run one on a core of its own. The caller's process, and so broker and store, are on the other."""
    with fault_line(folder, place, Wish({}, services=("predictor",), environ={"PUSHLINE_MODELS": MODEL})) as line:
        service = line.services["predictor"]
        deployer = Deployer.prepared(Line(line.seen.log, EachOnce(place.store)), paths, count)
        pin(service.pid, SERVER_CORE)
        deployer.next()
        service.ready()
        pin(service.pid, SERVER_CORE)  # threads that were made while the others were pinned
        yield Subject(service), deployer


def pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def cpu_seconds(pid: int) -> float:
    fields = told(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resources(subject: Subject) -> Resources:
    """Of all its processes together."""
    pids = subject.processes
    threads = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    return Resources(subject.resident, threads, descriptors)


def every_second(deployer: Deployer, load: Load, count: int, chance: random.Random) -> list[Swap]:
    """Deploy about every second. The pauses differ, so that swaps fall on every phase of whatever else comes by the second."""
    told_at: dict[int, float] = {}
    due = time.perf_counter()
    for _ in range(count):
        due += chance.uniform(0.85, 1.15)
        threading.Event().wait(max(0.0, due - time.perf_counter()))
        seq, at = deployer.next()
        told_at[seq] = at
    return [Swap(seq, at, load.wait_for(seq)) for seq, at in told_at.items()]


@dataclass(frozen=True)
class Block:
    """Swaps, and a time right after them in which nothing is deployed: a window's worth for each."""

    swaps: list[Swap]
    quiet_from: float


def in_blocks(deployer: Deployer, load: Load, count: int, window_seconds: float) -> list[Block]:
    """Deploy about every second, and pause now and then, so that swaps have controls of the same minute."""
    chance, found = random.Random(1), list[Block]()  # noqa: S311 - no secret
    while (left := count - sum(len(block.swaps) for block in found)) > 0:
        swaps = every_second(deployer, load, min(left, BLOCK), chance)
        pause = threading.Event()
        pause.wait(OVER_SECONDS)
        found.append(Block(swaps, time.perf_counter()))
        pause.wait(window_seconds * len(swaps))
    return found


def at_once(deployer: Deployer, load: Load, count: int) -> list[Swap]:
    """Deploy the next when answers by the one before came."""
    found = []
    for _ in range(count):
        seq, at = deployer.next()
        found.append(Swap(seq, at, load.wait_for(seq)))
    return found


def samples(file: Path) -> tuple[Run, list[bytes]]:
    with np.load(file) as told_back:
        arrays = {name: told_back[name] for name in ("due", "sent", "answered", "status", "payload", "order")}
        run = Run(**arrays, connections=int(told_back["connections"]))
        return run, [bytes.fromhex(text) for text in told_back["payloads"].tolist()]
