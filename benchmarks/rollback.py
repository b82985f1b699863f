"""From the delivery report of a rollback's record until every answer of three replicas comes from the old model.

    python -m benchmarks.rollback [-n 100]

On a real broker, the store down, answers asked for all the while.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.goals import at_most, table
from tests.faults.places import own_place
from tests.faults.processes import Wish, fault_line
from tests.faults.rolling_back import REPLICAS, ROLLBACK_SECONDS, roll_back_often
from tests.fixtures.predictor.deploying import Line


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.rollback", description="How long a rollback takes.")
    parser.add_argument("-n", type=int, default=100, help="rollbacks")
    count = parser.parse_args(words).n
    with (
        TemporaryDirectory(prefix="pushline-rollback-") as name,
        own_place(Path(name)) as place,
        fault_line(Path(name) / "line", place, Wish({}, services=("predictor",))) as line,
    ):
        told = roll_back_often(line, Line(line.seen.log, line.seen.store), place, count)
    p50, p99, most = (1e3 * told.quantile(share) for share in (0.5, 0.99, 1.0))
    print(f"### Rollback: its record's delivery report to every answer from the old model, {REPLICAS} replicas, no store\n")
    print("| n | median ms | p99 ms | most ms | answers | failed | wrong |\n|---|---|---|---|---|---|---|")
    print(f"| {count} | {p50:.0f} | {p99:.0f} | {most:.0f} | {told.answers} | {told.failures} | {told.wrong} |\n")
    print(f"{told}\n")
    goals = [
        at_most(f"p99 of {count} rollbacks", 1e3 * ROLLBACK_SECONDS, p99, "ms"),
        at_most("answers failed or wrong during rollbacks", 0, told.failures + told.wrong),
    ]
    print(table(goals))
    return 1 if told.failures + told.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
