"""What one prediction costs: the predictor with everything on against a bare sync grpcio echo of the same payload.

Both run as processes pinned to one core, the load comes from the other; rounds are interleaved. The first figure is the server's
CPU time a request, from /proc: it holds on a noisy machine better than requests per second do.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np

from open_inference import open_inference_grpc_pb2 as oip

ROUNDS, ROUND_SECONDS, IN_FLIGHT = 5, 2.0, 8
TICKS = os.sysconf("SC_CLK_TCK")
METHOD = "/inference.GRPCInferenceService/ModelInfer"


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
def server(name: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.serving_server", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        pin(process.pid, 0)
        yield Server(name, process.pid, port)
        process.terminate()


def pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def request() -> bytes:
    """One row for the model with four inputs, raw contents, as Triton's client sends it."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="table", datatype="FP32", shape=[1, 4])
    row = np.array([[5.1, 3.5, 1.4, 0.2]], dtype="<f4").tobytes()
    return oip.ModelInferRequest(model_name="numbers", inputs=[tensor], raw_input_contents=[row]).SerializeToString()


def load(subject: Server, body: bytes, in_flight: int) -> None:
    """Ask for one round; note CPU a request, requests a second, latencies."""
    latencies: list[float] = []
    began, cpu = time.perf_counter(), subject.cpu_seconds()

    def ask() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{subject.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            while time.perf_counter() - began < ROUND_SECONDS:
                sent = time.perf_counter()
                call(body, timeout=10)
                latencies.append(time.perf_counter() - sent)

    threads = [threading.Thread(target=ask) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    subject.cpu_us.append((subject.cpu_seconds() - cpu) / len(latencies) * 1e6)
    subject.per_second.append(len(latencies) / (time.perf_counter() - began))
    subject.latencies.extend(latencies)


def report(title: str, servers: list[Server]) -> str:
    base = statistics.median(servers[-1].cpu_us)
    rows = [
        f"### {title}",
        "",
        "| server | requests | CPU µs a request | echo's part | per second | p50 µs | p99 µs |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in servers:
        cpu, ordered = statistics.median(each.cpu_us), sorted(each.latencies)
        p50, p99 = ordered[len(ordered) // 2] * 1e6, ordered[int(len(ordered) * 0.99)] * 1e6
        speed = statistics.median(each.per_second)
        rows.append(f"| {each.name} | {len(ordered)} | {cpu:.0f} | {base / cpu:.2f} | {speed:.0f} | {p50:.0f} | {p99:.0f} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    body = request()
    for in_flight in (1, IN_FLIGHT):
        with ExitStack() as stack:
            servers = [stack.enter_context(server(name)) for name in ("predictor", "echo")]
            for _ in range(ROUNDS + 1):
                for each in servers:
                    load(each, body, in_flight)
            for each in servers:  # the first round warms up
                del each.cpu_us[0], each.per_second[0]
            print(report(f"One row, {in_flight} in flight, {ROUNDS} interleaved rounds of {ROUND_SECONDS:g} s", servers))


if __name__ == "__main__":
    main()
