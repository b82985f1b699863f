"""How much a predictor takes before it does anything: imports, the start until SERVING, resident memory; each beside its goal.

    python -m benchmarks.footprint [-n 10]

The process of production with the MLP 784-128-64-10 out of its cache, pinned to one core, on a real broker and store and on none;
a bare Python and the bare echo of benchmarks/serving_server.py in the same run, in turn.
"""

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from grpc_health.v1 import health_pb2

from benchmarks.serving import METHOD, OPTIONS, ROW, TRAINING, request
from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from tests import server_kinds
from tests.faults.procfs import children_of, told
from tests.fixtures.predictor.deploying import Line
from tests.servers import BrokerAddress, StoreAddress, chosen

CORE, PATIENCE_SECONDS, PAUSE_SECONDS, REQUESTS = 0, 60.0, 0.002, 2000
SERVING: bytes = health_pb2.HealthCheckResponse(status="SERVING").SerializeToString()
CHECK = "/grpc.health.v1.Health/Check"
IMPORT = "import gc, time; gc.disable(); began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
MAIN = "pushline.predictor.process"  # all that __main__.py imports
IMPORT_GOAL, START_GOAL, MEMORY_GOAL_MIB = 0.3, 0.5, 35.0
NOWHERE = {"PUSHLINE_KAFKA": "127.0.0.1:1", "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:1"}


@dataclass
class Figures:
    """Of one subject: seconds or MiB, by round."""

    name: str
    goal: float | None = None
    seen: list[float] = field(default_factory=list)

    def row(self, scale: float) -> str:
        ordered = sorted(self.seen)
        figures = (statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))])
        goal = "" if self.goal is None else f"≤ {self.goal * scale:.0f}"
        return f"| {self.name} | {len(ordered)} | {figures[0] * scale:.1f} | {figures[1] * scale:.1f} | {goal} |"


def pinned(command: Sequence[str], environ: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    words = ["taskset", "--cpu-list", str(CORE), *command]
    return subprocess.Popen(words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def seconds_to_import(module: str) -> float:
    with pinned([sys.executable, "-c", IMPORT.format(module)]) as process:
        assert process.stdout is not None
        return float(process.stdout.readline())


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_python() -> None:
    with pinned([sys.executable, "-c", "pass"]):
        pass


@contextmanager
def predictor(environ: Mapping[str, str], port: int) -> Iterator[tuple[int, float]]:
    """Give its process and the seconds from its start to SERVING."""
    began = time.perf_counter()
    with pinned([sys.executable, "-m", "pushline.predictor"], {**environ, "PUSHLINE_GRPC_PORT": str(port)}) as process:
        try:
            wait_until_serving(port, process)
            yield process.pid, time.perf_counter() - began
        finally:
            process.kill()


def wait_until_serving(port: int, process: "subprocess.Popen[str]") -> None:
    """NOTE: a channel that is refused takes its time; a bare connection says at once whether anybody listens."""
    began = time.perf_counter()
    while not listens(port) or not serving(port):
        assert process.poll() is None, process.returncode
        assert time.perf_counter() - began < PATIENCE_SECONDS, "it does not get ready"
        time.sleep(PAUSE_SECONDS)


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def serving(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        try:
            said: bytes = call(b"", timeout=1)
        except grpc.RpcError:
            return False
    return said == SERVING


def mib_after_requests(pid: int, port: int) -> float:
    body = request(1, ROW)
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        for _ in range(REQUESTS):
            call(body, timeout=60)
    found = re.findall(r"^VmRSS:\s+(\d+) kB", told(pid, "status"), re.MULTILINE)
    assert not children_of(pid), "something that it started is still there"
    return int(found[0]) / 1024


def echo_mib(program: Path) -> float:
    with pinned([sys.executable, "-m", "benchmarks.serving_server", "echo", str(program)]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return mib_after_requests(process.pid, port)
        finally:
            process.kill()


def environment(folder: Path, broker: BrokerAddress, prefix: str, store: StoreAddress) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PUSHLINE_KAFKA": broker.bootstrap,
        "PUSHLINE_TOPIC_PREFIX": prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={text}" for name, text in broker.options.items()),
        "PUSHLINE_S3_ENDPOINT": store.endpoint,
        "PUSHLINE_S3_BUCKET": store.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store.access_key,
        "PUSHLINE_S3_SECRET_KEY": store.secret_key,
        "PUSHLINE_CACHE": str(folder / "cache"),
        "PUSHLINE_REST_PORT": "0",
        "PUSHLINE_METRICS_PORT": "0",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def deploy(environ: Mapping[str, str], broker: BrokerAddress, prefix: str, store: StoreAddress, program: bytes) -> None:
    """Have it served once, so that the cache has it."""
    log = KafkaLog(broker.bootstrap, prefix, broker.options)
    Line(log, MinioStore(*store)).deploy(program)
    with predictor(environ, free_port()):
        log.close()


def rounds(n: int, environ: Mapping[str, str], program: Path) -> tuple[list[Figures], list[Figures], list[Figures]]:
    imports = [Figures(MAIN, IMPORT_GOAL), Figures("grpc"), Figures("numpy")]
    starts = [
        Figures("start to SERVING", START_GOAL),
        Figures("the same, broker and store away", START_GOAL),
        Figures("bare Python"),
    ]
    memory = [Figures("predictor"), Figures("bare echo")]
    for _ in range(n):
        for each in imports:
            each.seen.append(seconds_to_import(each.name))
        for each, place in zip(starts, (environ, {**environ, **NOWHERE}), strict=False):
            port = free_port()
            with predictor(place, port) as (pid, seconds):
                each.seen.append(seconds)
                if place is environ:
                    memory[0].seen.append(mib_after_requests(pid, port))
        starts[2].seen.append(seconds_of(bare_python))
        memory[1].seen.append(echo_mib(program))
    memory[0].goal = statistics.median(memory[1].seen) + MEMORY_GOAL_MIB
    return imports, starts, memory


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.footprint", description="Imports, start and memory of a predictor.")
    parser.add_argument("-n", type=int, default=10, help="rounds")
    n: int = parser.parse_args(words).n
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with TemporaryDirectory(prefix="pushline-footprint-") as name, ExitStack() as stack:
        folder = Path(name)
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        program = folder / "mlp.tflite"
        broker = server_kinds.broker(stack, chosen())
        store, said = server_kinds.store(stack, chosen())
        prefix = stack.enter_context(server_kinds.topics(broker, "footprint."))
        environ = environment(folder, broker, prefix, store)
        deploy(environ, broker, prefix, store, program.read_bytes())
        imports, starts, memory = rounds(n, environ, program)
    for title, unit, scale, rows in (
        ("To import it", "ms", 1e3, imports),
        ("To start it", "ms", 1e3, starts),
        (f"Resident memory after {REQUESTS} requests", "MiB", 1.0, memory),
    ):
        print(f"### {title} (one core; {broker.said}, {said})\n\n| what | n | median {unit} | p99 {unit} | goal |")
        print("|---|---|---|---|---|")
        print("\n".join(each.row(scale) for each in rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
