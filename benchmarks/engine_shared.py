"""What a batch costs on its way to TensorFlow's process and back: through shared memory, and through the socket alone.

    python -m benchmarks.engine_shared [FOLDER]

FOLDER keeps the models between runs. Frames alone go to a process that sums or echoes the rows, so that no model stands before the
way; then whole runs of TensorFlow. The two ways take turns. CPU time is of both processes together, from /proc.
"""

import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pushline.engine.engine import Array
from pushline.engine.tensorflow import TensorFlow
from pushline.engine.tensorflow_child.frames import Ended, receive, send
from pushline.engine.tensorflow_child.shared import ChildsMemory, ParentsMemory
from pushline.engine.tensorflow_process import Limits
from tests.fixtures.engine.kinds import PYTHON, make, read

RUNS = (("hashing", 1), ("hashing", 64), ("hashed-photo", 1), ("hashed-photo", 28))
SIZES = {"1 row of 4 floats": 4, "16 KB": 4 << 10, "64 KB": 16 << 10, "128 KB": 32 << 10, "600 KB": 150_528, "16 MB": 4 << 20}
ROUNDS, ROUND_BYTES, MOST_CALLS = 61, 1 << 22, 40
ROOM_BYTES, MAX_BYTES = 64 << 20, 256 << 20
SHARED, SOCKET = "shared", "socket"
ANSWERS: Mapping[str, Callable[[Array], Array]] = {
    "as large": np.negative,
    "10 numbers": lambda rows: rows[:, :1].repeat(10, axis=1),
}
HEAD = (
    "| CPU µs, shared | CPU µs, socket | ratio | µs, shared | µs, socket | ratio |",
    "---|---|---|---|---|---|",
)
Ask = Callable[[], object]


def answering(answer: Callable[[Array], Array], connection: socket.socket, memory: tuple[int, ...]) -> None:
    shared = ChildsMemory(*memory) if memory else None
    with connection:
        try:
            while True:
                _, rows = receive(connection, MAX_BYTES, shared=shared)
                send(connection, {}, {"y": answer(rows["x"])}, shared)
        except Ended:
            pass


@contextmanager
def asked(answer: Callable[[Array], Array], shared: ParentsMemory | None) -> Iterator[tuple[int, Callable[[Array], Array]]]:
    ours, theirs = socket.socketpair()
    fork = multiprocessing.get_context("fork")  # hands the descriptors on as they are
    process = fork.Process(target=answering, args=(answer, theirs, shared.descriptors if shared else ()))
    with ours:
        process.start()
        theirs.close()

        def ask(rows: Array) -> Array:
            send(ours, {}, {"x": rows}, shared)
            return receive(ours, MAX_BYTES, shared=shared)[1]["y"]

        yield process.pid or 0, ask
        ours.shutdown(socket.SHUT_RDWR)
        process.join()


def frames() -> None:
    print(f"| rows | answer {HEAD[0]}\n|---|---|{HEAD[1]}", flush=True)
    for title, answer in ANSWERS.items():
        with ExitStack() as stack:
            shared, plain = (stack.enter_context(asked(answer, memory)) for memory in (ParentsMemory(ROOM_BYTES), None))
            for size, count in SIZES.items():
                rows = np.random.default_rng(7).normal(size=(1, count)).astype("float32")
                ways = {SHARED: (shared[0], partial(shared[1], rows)), SOCKET: (plain[0], partial(plain[1], rows))}
                print(f"| {size} | {title} | {compared(ways, rows.nbytes)}", flush=True)
    print()


def runs(folder: Path) -> None:
    kinds = {name for name, _ in RUNS}
    missing = [name for name in kinds if not (folder / name / "answers.npz").is_file()]
    made = make(folder, missing) | {name: read(folder / name) for name in kinds.difference(missing)}
    print(f"| model | rows | MB {HEAD[0]}\n|---|---|---|{HEAD[1]}", flush=True)
    for name, batch in RUNS:
        rows = made[name].rows(batch)
        size = sum(array.nbytes for array in rows.values())
        with ExitStack() as stack:
            ways = {}
            for way, limits in {SHARED: Limits(), SOCKET: Limits(shared_bytes=0)}.items():
                engine = TensorFlow(PYTHON, limits).open(made[name].model)
                stack.callback(engine.close)
                ways[way] = (engine.pid, partial(engine.run, rows))
            print(f"| {name} | {batch} | {size / 1e6:.3g} | {compared(ways, size)}", flush=True)


def compared(ways: Mapping[str, tuple[int, Ask]], size: int) -> str:
    """Give the cells of a row; medians of `ROUNDS` interleaved rounds, after three that warm up."""
    calls = max(1, min(MOST_CALLS, ROUND_BYTES // size))
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(ROUNDS + 3):
        for way, (pid, ask) in ways.items():
            cpu, began = cpu_seconds(pid), time.perf_counter()
            for _ in range(calls):
                ask()
            took = time.perf_counter() - began
            taken[way].append(((cpu_seconds(pid) - cpu) / calls * 1e6, took / calls * 1e6))
    cells = []
    for column in (0, 1):
        shared, plain = (statistics.median(each[column] for each in taken[way][3:]) for way in (SHARED, SOCKET))
        cells += [f"{shared:.0f}", f"{plain:.0f}", f"{shared / plain:.2f}"]
    return " | ".join(cells) + " |"


def cpu_seconds(child: int) -> float:
    """Of this process and that one."""
    ran = (Path(f"/proc/{pid}/task").iterdir() for pid in (os.getpid(), child))
    return sum(int((task / "schedstat").read_text().split()[0]) for tasks in ran for task in tasks) / 1e9


def main() -> None:
    frames()
    with TemporaryDirectory() as temporary:
        runs(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary))


if __name__ == "__main__":
    main()
