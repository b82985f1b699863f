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

from open_inference import open_inference_grpc_pb2 as oip

ROUNDS, ROUND_SECONDS, IN_FLIGHT = 5, 2.0, 32
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


def load(subject: Server, body: bytes, in_flight: int) -> None:
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
        while (sent := time.perf_counter()) - began < ROUND_SECONDS:
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


def measured(names: Sequence[str], folder: Path, body: bytes, in_flight: int, program: str = "mlp") -> list[Server]:
    with ExitStack() as stack:
        servers = [stack.enter_context(server(name, folder, program)) for name in names]
        for each in servers:
            load(each, body, in_flight)
            del each.cpu_us[:], each.per_second[:], each.latencies[:]  # the first round warms up
        for _ in range(ROUNDS):
            for each in servers:
                load(each, body, in_flight)
        return servers


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


def rows_table(folder: Path) -> str:
    """Rows a second, where a request has one row or 64."""
    lines = ["### Rows a request, 8 in flight", "", "| rows a request | n | rows per second | ratio |", "|---|---|---|---|"]
    base = 0.0
    for rows in (1, 64):
        found = measured(["predictor"], folder, request(rows, ROW), 8)[0]
        speed = rows * statistics.median(found.per_second)
        base = base or speed
        lines.append(f"| {rows} | {len(found.latencies)} | {speed:.0f} | {speed / base:.1f} |")
    return "\n".join(lines) + "\n"


def bytes_table(folder: Path) -> str:
    """CPU a MB of request, as the slope over sizes; the model looks at a few pixels alone."""
    names = ("predictor", "sink")
    cost: dict[str, list[float]] = {name: [] for name in names}
    count = 0
    for size in SIZES:
        for found in measured(names, folder, request(size, IMAGE), 2, "image"):
            cost[found.name].append(statistics.median(found.cpu_us))
            count += len(found.latencies)
    megabytes = [size * int(np.prod(IMAGE)) * 4 / 1e6 for size in SIZES]
    slopes = {name: float(np.polyfit(megabytes, cost[name], 1)[0]) for name in names}
    sizes = " | ".join(f"{each:.1f} MB" for each in megabytes)
    lines = [f"### Images of 0.6 MB each, 2 in flight (n {count}): CPU µs a request", "", f"| server | {sizes} | µs a MB | ratio |"]
    lines.append("|---" * (len(SIZES) + 3) + "|")
    for name in names:
        figures = " | ".join(f"{each:.0f}" for each in cost[name])
        lines.append(f"| {name} | {figures} | {slopes[name]:.0f} | {slopes[name] / slopes['sink']:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        row, rounds = request(1, ROW), f"{ROUNDS} interleaved rounds of {ROUND_SECONDS:g} s"
        print(
            table(
                f"MLP 784-128-64-10, one row, 32 in flight, {rounds}",
                measured(("predictor", "handler", "naive", "echo"), folder, row, 32),
            )
        )
        print(
            table(f"MLP 784-128-64-10, one row, 1 in flight, {rounds}", measured(("predictor", "handler", "echo"), folder, row, 1))
        )
        print(rows_table(folder))
        print(bytes_table(folder))


if __name__ == "__main__":
    main()
