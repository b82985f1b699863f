"""All campaigns, two at a time, the longest first: `make campaigns`.

    python -m benchmarks.campaigns [--small] [--only NAME…] [--seed N] [--at-once 2] [--markdown FILE]

A campaign is a module beside this one with `main(words) -> int` and `FULL_MINUTES`. Each runs as a process with a bound on time, on
servers of its own. They mostly wait, so two at a time disturb each other little; `--at-once 1` gives quieter figures. Their lines
stand in one table at the end, as Markdown for benchmarks/CAMPAIGNS.md. Ends with 1 where one of them failed.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.campaigns.runner import AT_ONCE, Told, bound_minutes, campaigns, run, table


def main(words: Sequence[str]) -> int:
    found = campaigns()
    arguments = _parsed(words, sorted(found))
    chosen = {name: minutes for name, minutes in found.items() if name in (arguments.only or found)}
    passed_on = [
        *(["--small"] if arguments.small else []),
        *(["--seed", str(arguments.seed)] if arguments.seed is not None else []),
    ]
    waiting = sorted(chosen, key=lambda name: -chosen[name])

    def one(name: str) -> Told:
        print(f"== {name}: about {'a minute' if arguments.small else f'{chosen[name]:g} min'}", flush=True)
        told = run(name, passed_on, bound_minutes(chosen[name], small=arguments.small))
        print(f"== {name} {told.became} after {told.minutes:.1f} min", flush=True)
        return told

    with ThreadPoolExecutor(arguments.at_once) as pool:
        told = list(pool.map(one, waiting))
    text = f"{_heading(small=arguments.small)}\n\n{table(told)}"
    print(f"\n{text}")
    if arguments.markdown:
        arguments.markdown.write_text(text)
    return 0 if all(each.well for each in told) else 1


def _parsed(words: Sequence[str], names: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns", description="Every campaign, the longest first.")
    parser.add_argument("--small", action="store_true", help="the size that the tests have")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--seed", type=int, help="for all of them; each has its own otherwise")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, metavar="N", help=f"so many side by side; {AT_ONCE} by default")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="where the table is kept too")
    return parser.parse_args(words)


def _heading(*, small: bool) -> str:
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    commit = git.stdout.strip() or "no commit known"
    size = "small" if small else "full"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"### {datetime.now(UTC):%Y-%m-%d}, {size} size, {commit}, {machine}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
