"""How long a log takes to fold, what it takes in memory, and whether it is one state however it is read: `tools/bench replay`.

    python -m benchmarks.replay [--events 100000] [--seed 1] [--embedded] [--no-broker]

The log is `long_line.py`'s. It is folded in a process of its own, which reads it from a file as a tail reads a broker's: part by
part, on one core. With a broker, the same log is read by a real tail, without a snapshot and from one.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Producer
from msgspec.msgpack import Decoder, Encoder

from benchmarks.goals import at_most, table
from benchmarks.line import place
from benchmarks.long_line import PARTITIONS, LongLine
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger
from pushline.line.records import Record
from pushline.line.snapshot import Snapshot, parts_of, read
from pushline.line.snapshot_file import NAME, SnapshotFile
from pushline.line.snapshots import Snapshots
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from tests.faults.evidence import digest, interleaved, seeded
from tests.waiting import until

A_POLL = 500
GOAL_SECONDS = 5.0
INTERLEAVINGS = 3
START_SECONDS = 300.0
Told = dict[str, float | str]


def folded(parts: Iterator[list[Record]]) -> Ledger:
    """Fold as a tail does that catches up: what was folded is taken out of the collector's way."""
    ledger = Ledger(PARTITIONS)
    for part in parts:
        for record in part:
            ledger.fold(record)
        gc.freeze()
    return ledger


def parts_in(path: Path) -> Iterator[list[Record]]:
    decoder = Decoder(list[Record])
    with path.open("rb") as file:
        while head := file.read(4):
            yield decoder.decode(file.read(int.from_bytes(head, "big")))


def write(records: Sequence[Record], path: Path) -> None:
    encoder = Encoder()
    with path.open("wb") as file:
        for at in range(0, len(records), A_POLL):
            data = encoder.encode(records[at : at + A_POLL])
            file.write(len(data).to_bytes(4, "big") + data)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def once(path: Path) -> Told:
    """Fold the file's records; what is run in a process of its own."""
    sum(map(len, parts_in(path)))  # so that what reading takes is there before
    gc.collect()
    before, reading = resident_mib(), _cpu(lambda: sum(map(len, parts_in(path))))
    began, at = time.process_time(), time.perf_counter()
    ledger = folded(parts_in(path))
    cpu, wall = time.process_time() - began - reading, time.perf_counter() - at
    mib = resident_mib() - before
    return {"cpu": cpu, "wall": wall, "mib": mib, "kib_a_run": mib * 1024 / len(ledger.runs), "state": digest(ledger)}


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def in_a_process(path: Path) -> Told:
    command = [sys.executable, "-m", "benchmarks.replay", "--once", str(path)]
    told: Told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def through_a_snapshot(records: Sequence[Record]) -> tuple[str, Told]:
    """Fold half, go through the bytes of a snapshot, fold the rest."""
    half = len(records) // 2
    ledger = folded(iter([list(records[:half])]))
    began = time.process_time()
    data = b"".join(parts_of(Snapshot(TOPIC_NAMES, {}, (), ledger.image())))
    written = time.process_time() - began
    began = time.process_time()
    again = Ledger.of(read(data).image)
    back = time.process_time() - began
    for record in records[half:]:
        again.fold(record)
    return digest(again), {"write_s": written, "read_s": back, "mib": len(data) / 2**20}


def in_pieces(records: Sequence[Record], seed: int) -> str:
    """Fold in pieces of any size, each as the tail's next poll: as it came."""
    chance, ledger, at = seeded(seed), Ledger(PARTITIONS), 0
    while at < len(records):
        size = chance.randint(1, 2 * A_POLL)
        for record in records[at : at + size]:
            ledger.fold(record)
        at += size
    return digest(ledger)


def produce(records: Sequence[Record], kafka: str, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 20})
    for record in records:
        while True:
            try:
                producer.produce(prefix + record.topic, record.value, record.key, headers=list(record.headers))
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(120) == 0


def start_of_a_tail(log: KafkaLog, folder: Path) -> tuple[float, str]:
    """Give the seconds until a tail is ready, and its state; it leaves a snapshot behind."""
    told: list[str] = []
    tail = Tail(log, TOPIC_NAMES, snapshots=Snapshots(SnapshotFile(folder, told.append)))
    began = time.perf_counter()
    tail.start()
    try:
        until(lambda: tail.problem == "", START_SECONDS, "a tail that is ready")
        taken = time.perf_counter() - began
        with tail.read() as ledger:
            state = digest(ledger)
    finally:
        tail.stop()
    assert told == []
    return taken, state


def on_a_broker(records: Sequence[Record], folder: Path, *, embedded: bool) -> tuple[Told, set[str]]:
    with ExitStack() as stack:
        servers, _ = stack.enter_context(place(folder, embedded=embedded))
        produce(records, servers.kafka, servers.topic_prefix)
        log = KafkaLog(servers.kafka, servers.topic_prefix, servers.kafka_options)
        stack.callback(log.close)
        whole, state = start_of_a_tail(log, folder / "snapshots")
        size = (folder / "snapshots" / NAME).stat().st_size / 2**20
        resumed, again = start_of_a_tail(log, folder / "snapshots")
    return {"whole": whole, "resumed": resumed, "mib": size}, {state, again}


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.replay", description="Fold a long log.")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--embedded", action="store_true", help="the embedded broker, which keeps a few megabytes alone")
    parser.add_argument("--no-broker", action="store_true", help="fold alone")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.once:
        print(json.dumps(once(asked.once)))
        return 0
    records = LongLine(asked.seed).write(asked.events)
    with TemporaryDirectory(prefix="pushline-replay-") as name:
        write(records, Path(name) / "records")
        alone = in_a_process(Path(name) / "records")
        kept, told = through_a_snapshot(records)
        states = {str(alone["state"]), kept, in_pieces(records, asked.seed)}
        chance = seeded(asked.seed)
        states |= {digest(folded(iter([interleaved(records, chance)]))) for _ in range(INTERLEAVINGS)}
        broker: Told = {}
        if not asked.no_broker:
            (Path(name) / "servers").mkdir()
            broker, seen = on_a_broker(records, Path(name) / "servers", embedded=asked.embedded)
            states |= seen
    print(_tables(records, alone, told, broker))
    ways = 3 + INTERLEAVINGS + (0 if asked.no_broker else 2)
    print(f"digest of the state, read in {ways} ways: {', '.join(sorted(state[:16] for state in states))}\n")
    goals = [
        at_most(f"{len(records)} events folded, CPU s on one core", GOAL_SECONDS, float(alone["cpu"]), "s"),
        at_most("states that the ways of reading give", 1, len(states)),
    ]
    print(table(goals))
    return 0 if len(states) == 1 else 1


def _tables(records: Sequence[Record], alone: Told, told: Told, broker: Told) -> str:
    count = len(records)
    snapshot = f"{told['write_s']:.2f}; {told['read_s']:.2f}; {told['mib']:.0f}"
    value = sum(len(record.value or b"") for record in records) / count
    rows = [
        f"### Replay: {count} events, {value:.0f} bytes of value each",
        "",
        "| what | figure |",
        "|---|---|",
        f"| fold from 0 on one core, CPU s (wall) | {alone['cpu']:.2f} ({alone['wall']:.2f}) |",
        f"| memory, MiB (KiB a run) | {alone['mib']:.0f} ({alone['kib_a_run']:.1f}) |",
        f"| snapshot of the first half: to bytes, CPU s; back, CPU s; MiB | {snapshot} |",
    ]
    if broker:
        rows += [
            f"| a tail on the broker ready, reading all, s | {broker['whole']:.2f} |",
            f"| the same with a snapshot of {broker['mib']:.0f} MiB, s | {broker['resumed']:.2f} |",
        ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
