"""Nothing older wins: random sequences of writers against the rules written a second time, and races of two real deployers.

    python -m benchmarks.campaigns.order [--seed 4] [--small] [--races 200]

The sequences are those of tests/unit/line/model, 2,000 in the full size. The races are tests/faults/ordering.py's: runs that end
in any order, a deployer that sleeps (SIGSTOP) through deployments, rollbacks with a run in flight, two verdicts a run. Ends with 1
where a log shows an older commit over a newer one, or two readers that disagree.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.ordering import Races, two_deployers
from tests.faults.places import own_place

FULL_MINUTES = 9.0
RACES, SMALL_RACES = 200, 8


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.order", description="Nothing older wins.")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--small", action="store_true", help="the size of every day")
    parser.add_argument("--races", type=int, default=0, help=f"how many; 0: {RACES}, or {SMALL_RACES} with --small")
    asked = parser.parse_args(words)
    status = _sequences(small=asked.small)
    with TemporaryDirectory(prefix="pushline-order-") as name, ExitStack() as stack:
        place = stack.enter_context(own_place(Path(name)))
        races = Races(stack.enter_context(two_deployers(Path(name) / "line", place)), asked.seed)
        for number in range(asked.races or (SMALL_RACES if asked.small else RACES)):
            races.run(number)
        wrong, told = races.told()
    for sentence in wrong:
        print(sentence)
    print(told)
    return 1 if wrong or status else 0


def _sequences(*, small: bool) -> int:
    """A process of its own: pytest rewrites what the tests import, and here much of that is imported already."""
    profile = [] if small else ["--hypothesis-profile=campaign", "--timeout=7200"]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *profile, "tests/unit/line/model"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
