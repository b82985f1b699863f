"""Two operators, each a process of its own, act on one model at one moment: rollback, redeploy, promote, hold, release, rerun.

    python -m benchmarks.campaigns.operators [--seed 7] [--trials 300] [--small] [--embedded]

The oracle reads the log and what each of them was told: whose record counts was told so, nobody else was, and who lost a race knows
the winner's name and reason. Ends with 1 where one was told something else.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import place
from tests.faults.evidence import all_records
from tests.faults.operators import line_of, operators, verdict_on

FULL_MINUTES = 9.0
FULL, SMALL = 300, 12


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.operators", description="Two operators at one moment.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="as in CI")
    parser.add_argument("--embedded", action="store_true", help="on the embedded servers")
    arguments = parser.parse_args(words)
    with TemporaryDirectory(prefix="pushline-operators-") as name, ExitStack() as stack:
        servers, _ = stack.enter_context(place(Path(name), embedded=arguments.embedded))
        campaign = stack.enter_context(operators(servers, "operated", arguments.seed))
        for _ in range(arguments.trials or (SMALL if arguments.small else FULL)):
            campaign.deal()
        with campaign.story.tail.read() as ledger:
            partitions = ledger.partitions
        wrong, races = verdict_on(all_records(campaign.log), campaign.told, partitions)
    for sentence in wrong:
        print(sentence)
    print(line_of(campaign, wrong, races, arguments.seed))
    return 1 if wrong or not races else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
