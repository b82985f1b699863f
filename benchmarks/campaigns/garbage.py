"""`pushline gc --delete` again and again beside a line at work: pushes, rollbacks and redeploys, with one second of grace.

    python -m benchmarks.campaigns.garbage [--seed 3] [--trials 60] [--small] [--embedded]

The models are few, so that files which a sweep removed are made once more, byte for byte. The oracle reads log and store: every
file of the live model, of the last ones that were live, and their evaluation sets, are there and are what their digests say; every
push ends as it would without a sweep. Ends with 1 where something was lost.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import place
from tests.faults.collecting import collecting
from tests.faults.conftest import stub_interpreter
from tests.faults.processes import Wish, fault_line

FULL_MINUTES = 9.0
MODEL, FULL, SMALL = "swept", 60, 4


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.garbage", description="gc beside a line at work.")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="as in CI")
    parser.add_argument("--embedded", action="store_true", help="on the embedded servers")
    arguments = parser.parse_args(words)
    with TemporaryDirectory(prefix="pushline-garbage-") as name, ExitStack() as stack:
        folder = Path(name)
        servers, _ = stack.enter_context(place(folder, embedded=arguments.embedded))
        wish = Wish({MODEL: ""}, stub_interpreter(folder / "training"))
        line = stack.enter_context(fault_line(folder / "line", servers, wish))
        with collecting(line, MODEL, arguments.seed) as campaign:
            for _ in range(arguments.trials or (SMALL if arguments.small else FULL)):
                campaign.deal()
    for sentence in (*campaign.wrong, *campaign.sweeper.said):
        print(sentence)
    print(campaign.told(arguments.seed))
    return 1 if campaign.wrong or campaign.sweeper.said or not campaign.sweeper.removed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
