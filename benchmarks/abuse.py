"""What a predictor stands: wrong requests by the thousand, hostile clients beside right ones, and more than it can answer.

    python -m benchmarks.abuse [--full] [--seed 1] [--only fuzz|beside|overload …] [--attacks NAME …] [--json FILE] [--embedded]

On loopback alone, bounded in number and time: the small size takes about two minutes, the full one (100,000 fuzzed requests, 20 s
an attack) about ten. Prints a table each with n; ends with 1 where a goal was not met, and says which.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.hostile import beside, fuzz, overload
from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.subject import Subject, subject
from benchmarks.line import place

PARTS = ("fuzz", "beside", "overload")


@dataclass(frozen=True)
class Size:
    fuzzed: int
    attack_seconds: float
    most_strikes: int
    overload_seconds: float


SMALL = Size(fuzzed=5_000, attack_seconds=3.0, most_strikes=20_000, overload_seconds=4.0)
FULL = Size(fuzzed=100_000, attack_seconds=20.0, most_strikes=300_000, overload_seconds=20.0)


@dataclass
class Told:
    tables: list[str]
    figures: dict[str, object]
    problems: list[str]


def abuse(predictor: Subject, size: Size, seed: int, parts: Sequence[str], attacks: Sequence[str]) -> Told:
    told = Told([], {}, [])
    if "fuzz" in parts:
        fuzzed = fuzz.fuzz(predictor, size.fuzzed, seed)
        told.tables.append(fuzz.table(fuzzed))
        told.figures["fuzz"] = fuzzed.figures
        told.problems += fuzzed.problems
    if "overload" in parts:
        loads = overload.both(predictor, size.overload_seconds)
        told.tables.append(overload.table(loads))
        told.figures["overload"] = [{**asdict(row), "ratio": row.ratio} for row in loads]
        told.problems += [problem for row in loads for problem in row.problems]
    if "beside" in parts:
        rows = beside.all_of_them(predictor, size.attack_seconds, size.most_strikes, attacks)
        told.tables.append(beside.table(rows))
        told.figures["beside"] = [asdict(row) for row in rows]
        told.problems += [problem for row in rows for problem in row.problems]
    return told


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.abuse", description="Bad input, hostile clients, overload.")
    parser.add_argument("--full", action="store_true", help="100,000 fuzzed requests, 20 s an attack")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzed requests")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS), metavar="NAME", help="these alone")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker and store")
    parser.add_argument("--logs", type=Path, help="a file to keep the predictor's log in")
    arguments = parser.parse_args(words)
    with TemporaryDirectory(prefix="pushline-abuse-") as name, ExitStack() as stack:
        servers, _ = stack.enter_context(place(Path(name), embedded=arguments.embedded))
        predictor = stack.enter_context(subject(Path(name) / "line", servers))
        told = abuse(predictor, FULL if arguments.full else SMALL, arguments.seed, arguments.only, arguments.attacks)
        if arguments.logs:
            shutil.copyfile(predictor.service.log, arguments.logs)
    print("\n".join(told.tables))
    print("\n".join(f"not met: {problem}" for problem in told.problems) or "all goals met")
    if arguments.json:
        arguments.json.write_text(json.dumps(told.figures, indent=1) + "\n")
    return 1 if told.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
