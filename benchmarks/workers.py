"""What more processes bring: `--workers 2` against one, each process held to 40 % of a core, rounds interleaved.

Then, under load, how long a swap takes from the first process to the last, and what memory each process takes.

The load comes frame by frame over many connections, so that it costs little and the kernel's division of connections evens out. A
process is held by its cgroup's CPU quota; where none can be made, by stopping it for 60 % of the time. Each table row says how much
of a core the processes and the load used: a server that did not use what it was allowed was not the bottleneck.
"""

import json
import os
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving import METHOD, ROW, TICKS, TRAINING, request
from tests.fixtures.predictor.http2 import HEADERS, OK, Connection, grpc_message, header_block

if TYPE_CHECKING:
    from pushline.predictor.service import Service

ROUNDS, ROUND_SECONDS, WARM_UP_SECONDS = 7, 3.0, 2.0
CONNECTIONS, IN_FLIGHT = 64, 4  # calls on each connection
PART = 0.4  # of a core
PERIOD_US = 20_000
MODEL, START_SECONDS, SWAPS = "numbers", 60.0, 100
SPREAD = "pushline_predictor_swap_spread_seconds"
VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


@dataclass
class Subject:
    """A predictor of so many processes."""

    process: "subprocess.Popen[str]"
    port: int
    pids: Sequence[int]  # the first process, then the others
    per_second: list[float] = field(default_factory=list)
    of_a_core: list[float] = field(default_factory=list)  # by all processes together
    of_load: list[float] = field(default_factory=list)
    shares: list[list[float]] = field(default_factory=list)  # of CPU time, by process
    answers: int = 0
    failures: int = 0

    @property
    def name(self) -> str:
        return f"--workers {len(self.pids)}"


def serve(count: int, program: Path) -> None:
    """Be the predictor: print port and process ids, end when the input closes."""
    from tests.fixtures.predictor.process import worker_pids  # noqa: PLC0415 - the load does not pay for it
    from tests.fixtures.predictor.running import a_line, running, wait_until_sure  # noqa: PLC0415

    line, log, store = a_line()
    line.deploy(program.read_bytes(), MODEL)
    with tempfile.TemporaryDirectory() as cache, running(Path(cache), log, store, workers=str(count)) as service:
        wait_until_sure(service, 1)
        deadline = time.monotonic() + START_SECONDS
        while count > 1 and service.registry.get_sample_value("pushline_predictor_processes") != count:
            assert time.monotonic() < deadline, "not all processes serve"
            time.sleep(0.05)
        print(json.dumps({"port": service.door.port, "pids": [os.getpid(), *worker_pids(os.getpid())]}), flush=True)
        for asked in sys.stdin:
            found = [swapped(service, lambda: line.deploy(program.read_bytes(), MODEL)) for _ in range(int(asked))]
            print(json.dumps(found), flush=True)


def swapped(service: "Service", deploy: Callable[[], object]) -> float:
    """Give the seconds from the first process that serves a new deployment to the last."""
    count, total = (partial(service.registry.get_sample_value, f"{SPREAD}_{what}") for what in ("count", "sum"))
    before, seconds = count() or 0.0, total() or 0.0
    deploy()
    deadline = time.monotonic() + START_SECONDS
    while (count() or 0.0) == before:
        assert time.monotonic() < deadline, "not all processes swapped"
        time.sleep(0.02)
    return (total() or 0.0) - seconds


@contextmanager
def subject(count: int, program: Path) -> Iterator[Subject]:
    command = [sys.executable, "-m", "benchmarks.workers", str(count), str(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        found = Subject(process, **json.loads(process.stdout.readline()))
        yield found
        process.terminate()


@contextmanager
def held(pids: Sequence[int]) -> Iterator[str]:
    """Hold each process, with all its threads, to its part of a core; give by what."""
    with ExitStack() as stack:
        try:
            for pid in pids:
                stack.enter_context(_quota(pid))
        except OSError:
            stack.close()
            stopped = threading.Event()
            for pid in pids:
                threading.Thread(target=_stop_and_go, args=(pid, stopped), daemon=True).start()
            stack.callback(stopped.set)
            yield "stopped for the rest of each period"
            return
        yield "CPU quota of a cgroup each"


@contextmanager
def _quota(pid: int) -> Iterator[None]:
    """Raises OSError where no such cgroup can be made."""
    quota = int(PERIOD_US * PART)
    old = (VERSION_1 / "cpu.cfs_quota_us").exists()
    group = (VERSION_1 if old else VERSION_2) / f"pushline-{pid}"
    group.mkdir()
    try:
        if old:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with suppress(OSError):
            (group.parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def _stop_and_go(pid: int, stopped: threading.Event) -> None:
    seconds = PERIOD_US / 1e6
    with suppress(ProcessLookupError):
        while not stopped.is_set():
            os.kill(pid, signal.SIGSTOP)
            stopped.wait(seconds * (1 - PART))
            os.kill(pid, signal.SIGCONT)
            stopped.wait(seconds * PART)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Load:
    """So many calls in flight on each of its connections, for as long as it runs."""

    def __init__(self, port: int, headers: bytes, message: bytes) -> None:
        self._headers, self._message = headers, message
        self._connections = {each.socket.fileno(): each for each in (Connection(port) for _ in range(CONNECTIONS))}
        self._poll = select.epoll()
        for number in self._connections:
            self._poll.register(number, select.EPOLLIN)
        self.answers = self.failures = 0

    def run(self, seconds: float) -> None:
        self.answers = self.failures = 0
        for connection in self._connections.values():
            self._ask(connection, IN_FLIGHT)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for number, _ in self._poll.poll(0.1):
                self._ask(self._connections[number], self._take(self._connections[number]))
        self._finish()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _finish(self) -> None:
        """Take what is still on its way; it counts no more."""
        answers, failures = self.answers, self.failures
        deadline = time.monotonic() + 10
        open_calls = CONNECTIONS * IN_FLIGHT
        while open_calls and time.monotonic() < deadline:
            for number, _ in self._poll.poll(0.1):
                open_calls -= self._take(self._connections[number])
        self.answers, self.failures = answers, failures + open_calls

    def _take(self, connection: Connection) -> int:
        """Give how many calls have ended."""
        ended = [event.code for event in connection.receive(0) if event.kind == HEADERS]
        self.answers += ended.count(OK)
        self.failures += len(ended) - ended.count(OK)
        return len(ended)

    def _ask(self, connection: Connection, count: int) -> None:
        if count:
            connection.send(b"".join(connection.call_bytes(self._headers, self._message)[1] for _ in range(count)))


def round_of(found: Subject, load: Load, seconds: float) -> None:
    before, own = [cpu_seconds(pid) for pid in found.pids], time.process_time()
    began = time.monotonic()
    load.run(seconds)
    took = time.monotonic() - began
    used = [cpu_seconds(pid) - cpu for pid, cpu in zip(found.pids, before, strict=True)]
    found.per_second.append(load.answers / seconds)
    found.of_a_core.append(sum(used) / took)
    found.of_load.append((time.process_time() - own) / took)
    found.shares.append([each / max(sum(used), 1e-9) for each in used])
    found.answers += load.answers
    found.failures += load.failures


def table(subjects: Sequence[Subject], means: str) -> str:
    base = statistics.median(subjects[0].per_second)
    title = (
        f"MLP 784-128-64-10, one row, {CONNECTIONS} connections, {IN_FLIGHT} in flight on each, processes at {PART:.0%} of a core"
    )
    lines = [f"### {title}", "", f"Held by: {means}. {ROUNDS} interleaved rounds of {ROUND_SECONDS:g} s.", ""]
    head = (
        "predictor",
        "n",
        "failed",
        "median per second",
        "least to most",
        "ratio",
        "of a core",
        "by process",
        "load's part of a core",
    )
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for each in subjects:
        middle = statistics.median(each.per_second)
        shares = ", ".join(f"{statistics.median(share):.0%}" for share in zip(*each.shares, strict=True))
        lines.append(
            f"| {each.name} | {each.answers} | {each.failures} | {middle:.0f} "
            f"| {min(each.per_second):.0f} to {max(each.per_second):.0f} | {middle / base:.2f} "
            f"| {statistics.median(each.of_a_core):.2f} | {shares} | {statistics.median(each.of_load):.2f} |"
        )
    return "\n".join(lines) + "\n"


def spread_table(found: Subject, load: Load) -> str:
    """What the load's answers say of a swap is in the tests; here is when the processes themselves swapped."""
    asking = threading.Event()
    thread = threading.Thread(target=_keep_on, args=(load, asking))
    thread.start()
    assert found.process.stdin is not None
    assert found.process.stdout is not None
    found.process.stdin.write(f"{SWAPS}\n")
    found.process.stdin.flush()
    taken = sorted(each * 1e3 for each in json.loads(found.process.stdout.readline()))
    asking.set()
    thread.join()
    p99 = taken[min(len(taken) - 1, round(0.99 * len(taken)))]
    lines = [f"### From the first process that serves a new deployment to the last, {found.name}, under the same load", ""]
    lines += ["| swaps | median ms | p99 ms | longest ms | failed calls |", "|---" * 5 + "|"]
    lines.append(f"| {len(taken)} | {statistics.median(taken):.2f} | {p99:.2f} | {taken[-1]:.2f} | {load.failures} |")
    return "\n".join(lines) + "\n"


def _keep_on(load: Load, stop: threading.Event) -> None:
    failures = 0
    while not stop.is_set():
        load.run(0.5)
        failures += load.failures
    load.failures = failures


def memory_table(subjects: Sequence[Subject]) -> str:
    lines = ["### Memory, MiB: of its own and its part of what is shared (PSS); resident", ""]
    lines += ["| predictor | process | PSS | resident |", "|---" * 4 + "|"]
    for each in subjects:
        for number, pid in enumerate(each.pids):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            pss, rss = (int(re.findall(rf"^{what}:\s+(\d+)", text, re.MULTILINE)[0]) / 1024 for what in ("Pss", "Rss"))
            lines.append(f"| {each.name} | {number} | {pss:.0f} | {rss:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        subjects = [stack.enter_context(subject(count, Path(name) / "mlp.tflite")) for count in (1, 2)]
        means = [stack.enter_context(held(each.pids)) for each in subjects]
        headers, message = header_block(METHOD), grpc_message(request(1, ROW))
        loads = [Load(each.port, headers, message) for each in subjects]
        for load in loads:
            load.run(WARM_UP_SECONDS)
        for _ in range(ROUNDS):
            for each, load in zip(subjects, loads, strict=True):
                round_of(each, load, ROUND_SECONDS)
        print(table(subjects, means[0]))
        print(memory_table(subjects))
        print(spread_table(subjects[1], loads[1]))
        for load in loads:
            load.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
