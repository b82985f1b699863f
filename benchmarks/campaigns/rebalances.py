"""A training of 12 minutes in each partition, a poll interval of 10 s, members that come and go: no training is begun again.

    python -m benchmarks.campaigns.rebalances [--seed 1] [--small]

The scripts wait until they are let go. Meanwhile five further trainers join the group, get their share of the partitions, and
leave, by SIGTERM or SIGKILL. Each run has one try, one record of each kind and one outcome.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.conftest import stub_interpreter
from tests.faults.places import own_place
from tests.faults.processes import Wish, fault_line
from tests.faults.rebalances import POLL_OPTIONS, Campaign, one_model_a_partition

FULL_MINUTES = 14.0
FULL, SMALL = (720.0, 5), (40.0, 1)  # seconds of the trainings, members that come and go


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.rebalances", description="Long trainings under rebalances.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args(words)
    models = one_model_a_partition("long")
    with TemporaryDirectory(prefix="pushline-rebalances-") as name:
        folder = Path(name)
        environ = {"PUSHLINE_KAFKA_OPTIONS": POLL_OPTIONS, "PUSHLINE_MAX_TRAININGS": str(len(models))}
        wish = Wish(dict.fromkeys(models, ""), stub_interpreter(folder / "training"), environ=environ)
        with own_place(folder) as place, fault_line(folder / "line", place, wish) as line:
            campaign = Campaign(line, models, arguments.seed)
            campaign.run(*(SMALL if arguments.small else FULL))
            told = campaign.told()
    for sentence in campaign.wrong:
        print(sentence)
    print(told)
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
