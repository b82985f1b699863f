"""Two of each service at once, either killed or frozen in the middle of runs: one outcome a run, and who wakes changes nothing.

    python -m benchmarks.campaigns.pairs [--seed 1] [--small]

Each run is pushed, and at a random moment after its 202 one or two services, of either pair, are killed or frozen. The outcome has
to come while they are away, from the others; then they come back, and both predictors answer from the newest model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.conftest import stub_interpreter
from tests.faults.pairs import Campaign, by_chance, second_of_each
from tests.faults.places import own_place
from tests.faults.processes import Wish, fault_line
from tests.faults.rebalances import one_model_a_partition

FULL_MINUTES = 5.0
FULL, SMALL = 25, 2


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.pairs", description="Two of each service, one killed or frozen.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args(words)
    models = one_model_a_partition("paired")
    with TemporaryDirectory(prefix="pushline-pairs-") as name:
        folder = Path(name)
        wish = Wish(dict.fromkeys(models, ""), stub_interpreter(folder / "training"))
        with own_place(folder) as place, fault_line(folder / "line", place, wish) as line:
            second_of_each(line)
            campaign = Campaign(line, models, arguments.seed)
            for blow in by_chance(arguments.seed, SMALL if arguments.small else FULL):
                campaign.deal(blow)
            lost, double, told = campaign.told()
    for sentence in campaign.wrong:
        print(sentence)
    print(told)
    return 1 if lost or double else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
