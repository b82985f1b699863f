"""How long each service takes from its start until it is ready, and the memory it then has, beside a bare Python that imports gRPC.

    python -m benchmarks.cold_start [-n 10] [--embedded]

On a line that holds one deployed model. Services are stopped and started in turn, so that a machine that drifts drifts for all; the
others go on meanwhile.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import place
from pushline.client import Client, PredictionFailed
from tests.faults import repositories
from tests.faults.conftest import stub_interpreter
from tests.faults.processes import ALL, FaultLine, Wish, fault_line
from tests.faults.procfs import told
from tests.faults.services import Service
from tests.waiting import until

MODEL, PATIENCE_SECONDS, PAUSE_SECONDS = "bench", 60.0, 0.002
BARE = "import grpc, numpy, sys; print('ready', flush=True); sys.stdin.read()"


@dataclass
class Starts:
    name: str
    seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)

    def row(self, bare: float) -> str:
        ordered, middle = sorted(self.seconds), statistics.median(self.seconds)
        p99, memory = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))], statistics.median(self.resident_mib)
        return f"| {self.name} | {len(ordered)} | {middle * 1e3:.0f} | {p99 * 1e3:.0f} | {middle / bare:.1f} | {memory:.0f} |"


def start_service(service: Service) -> float:
    service.ask_to_stop()
    service.exit_code()
    service.child.service.ports_file.unlink(missing_ok=True)
    began = time.perf_counter()
    service.start()
    while not service.child.ports or service.problem():
        assert time.perf_counter() - began < PATIENCE_SECONDS, service.problem()
        time.sleep(PAUSE_SECONDS)
    return time.perf_counter() - began


def start_bare(starts: Starts) -> None:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        starts.seconds.append(time.perf_counter() - began)
        starts.resident_mib.append(resident_mib(process.pid))


def resident_mib(pid: int) -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", told(pid, "status"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def deploy(line: FaultLine) -> None:
    status, told_back = line.seen.hint(MODEL, line.repositories[MODEL].push(repositories.good(1.0)))
    assert status == 202, told_back
    with Client(line.seen.grpc) as client:
        until(lambda: answers(client), PATIENCE_SECONDS, "the first answer")


def answers(client: Client) -> bool:
    try:
        return client.predict(repositories.X, model=MODEL).deploy_seq == 1
    except PredictionFailed:
        return False


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.cold_start", description="Start of each service until it is ready.")
    parser.add_argument("-n", type=int, default=10, help="starts of each")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker and store: no figures of record")
    arguments = parser.parse_args(words)
    subjects = {name: Starts(name) for name in ALL}
    bare = Starts("bare Python, grpc and numpy")
    with TemporaryDirectory(prefix="pushline-start-") as name, ExitStack() as stack:
        folder = Path(name)
        servers, said = stack.enter_context(place(folder, embedded=arguments.embedded))
        line = stack.enter_context(fault_line(folder / "line", servers, Wish({MODEL: ""}, stub_interpreter(folder / "training"))))
        deploy(line)
        for _ in range(arguments.n):
            start_bare(bare)
            for each in subjects.values():
                service = line.services[each.name]
                each.seconds.append(start_service(service))
                each.resident_mib.append(resident_mib(service.pid))
    print(f"### From the start of a service until it is ready, {said}\n")
    print("| what | n | median ms | p99 ms | ratio to bare Python | resident MiB |\n|---|---|---|---|---|---|")
    for each in (*subjects.values(), bare):
        print(each.row(statistics.median(bare.seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
