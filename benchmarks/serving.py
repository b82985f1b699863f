"""What one prediction costs: the predictor with everything on against a bare sync grpcio echo of the same payload, and others.

Each server is a process pinned to one core, the load comes from the other; rounds are interleaved. The first figure is the server's
CPU time a request, from /proc: it holds on a noisy machine better than requests per second do.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
import numpy as np

from benchmarks.goals import Goal, at_least, at_most
from benchmarks.goals import table as goals_table
from benchmarks.hostile.overload import GOAL, Overloaded, overload
from benchmarks.hostile.overload import table as overload_table
from benchmarks.serving_server import MODEL
from open_inference import open_inference_grpc_pb2 as oip

ROUNDS, ROUND_SECONDS, SIZE_SECONDS, OVERLOAD_SECONDS = 5, 2.0, 1.0, 5.0
TICKS = os.sysconf("SC_CLK_TCK")
METHOD = "/inference.GRPCInferenceService/ModelInfer"
ROW, IMAGE = (784,), (224, 224, 3)
TRAINING = ".venv/training/bin/python"
SIZES = (1, 2, 4, 8)  # images a request
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]


@dataclass
class Server:
    name: str
    pid: int
    port: int
    cpu_us: list[float] = field(default_factory=list)  # a request, by round
    per_second: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def grpc(self) -> int:
        return self.port

    @property
    def processes(self) -> list[int]:
        return [self.pid]

    def fresh(self, name: str) -> "Server":
        """The same process with figures of its own."""
        return Server(name, self.pid, self.port)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def server(name: str, folder: Path, program: str = "mlp") -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.serving_server", name, str(folder / f"{program}.tflite")]
    if name == "naive":
        command = [TRAINING, "benchmarks/naive_server.py", str(folder / f"{program}.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        pin(process.pid, 0)
        yield Server(name, process.pid, port)
        process.terminate()


def pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def request(rows: int, shape: Sequence[int]) -> bytes:
    """Raw contents, as Triton's client sends them."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[rows, *shape])
    numbers = np.random.default_rng(1).random((rows, *shape), np.float32).astype("<f4").tobytes()
    return oip.ModelInferRequest(model_name="numbers", inputs=[tensor], raw_input_contents=[numbers]).SerializeToString()


def load(subject: Server, body: bytes, in_flight: int, seconds: float = ROUND_SECONDS) -> None:
    """Ask for one round, so many in flight on one connection; note CPU a request, requests a second, latencies."""
    latencies: list[float] = []
    room = threading.Semaphore(in_flight)

    def told(sent: float, future: "grpc.Future[bytes]") -> None:
        latencies.append(time.perf_counter() - sent)
        room.release()
        future.result()

    with grpc.insecure_channel(f"127.0.0.1:{subject.port}", OPTIONS) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        call(body, timeout=60)
        began, cpu = time.perf_counter(), subject.cpu_seconds()
        while (sent := time.perf_counter()) - began < seconds:
            if in_flight == 1:
                call(body, timeout=60)
                latencies.append(time.perf_counter() - sent)
            else:
                room.acquire()
                sent = time.perf_counter()
                call.future(body, timeout=60).add_done_callback(partial(told, sent))
        for _ in range(in_flight if in_flight > 1 else 0):
            room.acquire()
    subject.cpu_us.append((subject.cpu_seconds() - cpu) / len(latencies) * 1e6)
    subject.per_second.append(len(latencies) / (time.perf_counter() - began))
    subject.latencies.extend(latencies)


def measured(names: Sequence[str], folder: Path, body: bytes, in_flight: int) -> list[Server]:
    with ExitStack() as stack:
        servers = [stack.enter_context(server(name, folder)) for name in names]
        interleaved([(each, body) for each in servers], in_flight)
        return servers


def interleaved(asked: Sequence[tuple[Server, bytes]], in_flight: int, seconds: float = ROUND_SECONDS) -> None:
    """A B A B …, so that a machine that drifts drifts for all; the first round warms up."""
    for round_number in range(1 + ROUNDS):
        for subject, body in asked:
            load(subject, body, in_flight, seconds)
            if not round_number:
                del subject.cpu_us[:], subject.per_second[:], subject.latencies[:]


def table(title: str, servers: Sequence[Server]) -> str:
    base = servers[-1]
    head = [
        "server",
        "requests",
        "CPU µs a request",
        f"{base.name}'s CPU ÷ its",
        "per second",
        "p50 µs",
        "p99 µs",
        f"p50 ÷ {base.name}'s",
    ]
    rows = [f"### {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    middle = statistics.median(base.latencies)
    for each in servers:
        cpu, ordered = statistics.median(each.cpu_us), sorted(each.latencies)
        p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        rows.append(
            f"| {each.name} | {len(ordered)} | {cpu:.0f} | {statistics.median(base.cpu_us) / cpu:.2f} "
            f"| {statistics.median(each.per_second):.0f} | {p50 * 1e6:.0f} | {p99 * 1e6:.0f} | {p50 / middle:.2f} |"
        )
    return "\n".join(rows) + "\n"


def rows_table(folder: Path) -> tuple[str, float]:
    """Rows a second, where a request has one row or 64; and their ratio."""
    with server("predictor", folder) as subject:
        one, many = subject.fresh("1"), subject.fresh("64")
        interleaved([(one, request(1, ROW)), (many, request(64, ROW))], 8)
    lines = ["### Rows a request, 8 in flight", "", "| rows a request | n | CPU µs a request | rows per second | ratio |"]
    lines.append("|---|---|---|---|---|")
    speeds = [int(each.name) * statistics.median(each.per_second) for each in (one, many)]
    for each, speed in zip((one, many), speeds, strict=True):
        cpu = statistics.median(each.cpu_us)
        lines.append(f"| {each.name} | {len(each.latencies)} | {cpu:.0f} | {speed:.0f} | {speed / speeds[0]:.1f} |")
    return "\n".join(lines) + "\n", speeds[1] / speeds[0]


def bytes_table(folder: Path) -> tuple[str, float]:
    """CPU a MB of request, as the slope over sizes, and their ratio; the model looks at a few pixels alone."""
    bodies = {size: request(size, IMAGE) for size in SIZES}
    with server("predictor", folder, "image") as predictor, server("sink", folder, "image") as sink:
        asked = [(each.fresh(each.name), size) for size in SIZES for each in (predictor, sink)]
        interleaved([(each, bodies[size]) for each, size in asked], 2, SIZE_SECONDS)
    cost = {name: [statistics.median(each.cpu_us) for each, _ in asked if each.name == name] for name in ("predictor", "sink")}
    count = sum(len(each.latencies) for each, _ in asked)
    megabytes = [size * int(np.prod(IMAGE)) * 4 / 1e6 for size in SIZES]
    slopes = {name: float(np.polyfit(megabytes, figures, 1)[0]) for name, figures in cost.items()}
    sizes = " | ".join(f"{each:.1f} MB" for each in megabytes)
    lines = [f"### Images of 0.6 MB each, 2 in flight (n {count}): CPU µs a request", "", f"| server | {sizes} | µs a MB | ratio |"]
    lines.append("|---" * (len(SIZES) + 3) + "|")
    for name, slope in slopes.items():
        figures = " | ".join(f"{each:.0f}" for each in cost[name])
        lines.append(f"| {name} | {figures} | {slope:.0f} | {slope / slopes['sink']:.2f} |")
    return "\n".join(lines) + "\n", slopes["predictor"] / slopes["sink"]


def one_row_goals(servers: Sequence[Server]) -> list[Goal]:
    """Of the servers with 32 in flight."""
    cpu = {each.name: statistics.median(each.cpu_us) for each in servers}
    speed = {each.name: statistics.median(each.per_second) for each in servers}
    return [
        at_least("one row, 32 in flight: echo's CPU a request ÷ the predictor's", 0.75, cpu["echo"] / cpu["predictor"]),
        at_least("one row, 32 in flight: requests a second ÷ echo's", 0.75, speed["predictor"] / speed["echo"]),
        at_least("the naive server's CPU a request ÷ the predictor's", 200, cpu["naive"] / cpu["predictor"]),
        at_least("requests a second ÷ the naive server's", 200, speed["predictor"] / speed["naive"]),
    ]


def one_at_a_time_goal(servers: Sequence[Server]) -> Goal:
    p50 = {each.name: statistics.median(each.latencies) for each in servers}
    return at_most("one row, 1 in flight: p50 ÷ echo's", 1.3, p50["predictor"] / p50["echo"])


def overloaded(folder: Path) -> Overloaded:
    with server("predictor", folder) as subject:
        return overload(subject, MODEL, OVERLOAD_SECONDS, request(1, ROW))


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        row, rounds = request(1, ROW), f"{ROUNDS} interleaved rounds of {ROUND_SECONDS:g} s"
        many = measured(("predictor", "handler", "naive", "echo"), folder, row, 32)
        print(table(f"MLP 784-128-64-10, one row, 32 in flight, {rounds}", many))
        one = measured(("predictor", "handler", "echo"), folder, row, 1)
        print(table(f"MLP 784-128-64-10, one row, 1 in flight, {rounds}", one))
        rows, rows_ratio = rows_table(folder)
        print(rows)
        megabytes, bytes_ratio = bytes_table(folder)
        print(megabytes)
        load_of_three = overloaded(folder)
        print(overload_table([load_of_three]))
    goals = [
        *one_row_goals(many),
        one_at_a_time_goal(one),
        at_least("rows a second with 64 a request ÷ with one", 20, rows_ratio),
        at_most("CPU a MB of request ÷ a sink's", 1.5, bytes_ratio),
        at_least("answers in time at 3 times the peak ÷ the peak", GOAL, load_of_three.ratio),
    ]
    print(f"load now {os.getloadavg()[0]:.1f}\n\n{goals_table(goals)}")


if __name__ == "__main__":
    main()
