"""Whether a reload is felt: a predictor under a load with a schedule, while one model after the other is deployed.

    python -m benchmarks.reload [--swaps 500] [--fast 1000] [--large] [--samples FOLDER] [--picture FILE.png]

On a real Kafka and a real MinIO. The predictor is held on one core; broker, store, deployer and load have the other, the load
with real-time priority. Calls come at 60 % of the rate that was measured as the most in the same run, each with a time of its own
that no answer moves, and latency counts from that time. Every deployment is a model of its own (commit, digest, files in the store)
with one of eight programs; an answer is right if its digest and its numbers are those of the deployment that it names.

Windows of 200 ms: after each swap (from the first answer by the new model), after each record (from its delivery report, so that
loading is in it) and, as many and paired with them, in pauses without any deployment, one after every 25 swaps. The intervals are
of a bootstrap over the pairs, 95 %. `--large`: a model of 50 MB of weights.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.hostile.subject import Subject
from benchmarks.line import place
from benchmarks.reloading import campaign, picture
from benchmarks.reloading.campaign import OTHER_CORE, Deployer, Load
from benchmarks.reloading.told import WINDOW_SECONDS, Measured, Swapping, report

MLP, LARGE = (128, 64, 10), (4096, 2048, 512, 10)
PROGRAMS, LARGE_PROGRAMS = 8, 3
SHARE, ROUNDS, ROUND_SECONDS, IN_FLIGHT = 0.6, 3, 3.0, 64
WARM_UP_SWAPS, WARM_UP_RATE, QUIET_SECONDS = 3, 100.0, 3.0


def most_of(subject: Subject, load: Load) -> tuple[float, float]:
    """Give the calls a second that it answers at most, and how much of its core it then had."""
    load.closed(1.0, IN_FLIGHT)
    began, cpu = time.perf_counter(), campaign.cpu_seconds(subject.service.pid)
    most = statistics.median(load.closed(ROUND_SECONDS, IN_FLIGHT) for _ in range(ROUNDS))
    return most, (campaign.cpu_seconds(subject.service.pid) - cpu) / (time.perf_counter() - began)


def measure(subject: Subject, deployer: Deployer, load: Load, arguments: argparse.Namespace, folder: Path) -> Measured:
    most, busy = most_of(subject, load)
    with load.open(WARM_UP_RATE, folder / "warm-up.npz"):
        campaign.at_once(deployer, load, WARM_UP_SWAPS)
    time.sleep(QUIET_SECONDS)
    before, swapping = campaign.resources(subject), Swapping.of(subject)
    file = folder / "samples.npz"
    with load.open(SHARE * most, file):
        time.sleep(QUIET_SECONDS)
        blocks = campaign.in_blocks(deployer, load, arguments.swaps, WINDOW_SECONDS)
        fast = campaign.at_once(deployer, load, arguments.fast)
        time.sleep(QUIET_SECONDS)
    time.sleep(QUIET_SECONDS)
    after = campaign.resources(subject)
    run, payloads = campaign.samples(file)
    steady, quiet = [swap for block in blocks for swap in block.swaps], [block.quiet_from for block in blocks]
    np.savez(folder / "swaps.npz", steady=np.array(steady), fast=np.array(fast), quiet=np.array(quiet))
    told = [deployer.right(payload) if payload else (0, False) for payload in payloads]
    return Measured(
        run=run,
        version=np.array([seq for seq, _ in told]),
        right=np.array([is_right for _, is_right in told]),
        blocks=blocks,
        fast=fast,
        most=most,
        busy=busy,
        scheduling=load.scheduling,
        before=before,
        after=after,
        swapping=Swapping.of(subject).since(swapping),
    )


def main(words: Sequence[str]) -> None:
    arguments = parsed(words)
    os.sched_setaffinity(0, {OTHER_CORE})  # what is started from here too, until it is moved
    count = 1 + WARM_UP_SWAPS + arguments.swaps + arguments.fast
    units, several = (LARGE, LARGE_PROGRAMS) if arguments.large else (MLP, PROGRAMS)
    with TemporaryDirectory(prefix="pushline-reload-") as name, ExitStack() as stack:
        folder = Path(name)
        paths = campaign.programs(folder, several, units)
        servers, said = stack.enter_context(place(folder, embedded=False))
        subject, deployer = stack.enter_context(campaign.predictor(folder / "line", servers, paths, count))
        load = stack.enter_context(campaign.generating(subject.grpc))
        measured = measure(subject, deployer, load, arguments, kept_in(arguments, folder))
    network = "-".join(map(str, (784, *units)))
    print(report(measured, f"MLP {network}, one row a call, {said}"))
    if arguments.picture:
        picture.draw(measured.run, measured.steady, measured.fast, measured.after_swaps.control_p99, Path(arguments.picture))


def kept_in(arguments: argparse.Namespace, folder: Path) -> Path:
    if not arguments.samples:
        return folder
    kept = Path(arguments.samples)
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.reload", description="Whether a reload is felt.")
    parser.add_argument("--swaps", type=int, default=500, help="swaps, about one a second")
    parser.add_argument("--fast", type=int, default=1000, help="swaps after that, each as soon as the one before was seen")
    parser.add_argument("--large", action="store_true", help="a model of 50 MB of weights")
    parser.add_argument("--samples", default="", help="folder for every call's times")
    parser.add_argument("--picture", default="", help="file for the picture")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(sys.argv[1:])
