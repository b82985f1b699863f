"""The clocks of services jump by a day or two hours, forth and back, before a push and while its script runs.

    python -m benchmarks.campaigns.clocks [--seed 1] [--small] [--trials N] [--logs FOLDER]

The store refuses calls of a clock that is 15 minutes wrong: that has to be named, and to heal once the clock is right. Order holds,
nothing is lost or comes double, and the predictor answers all the time. Clocks are set by libfaketime; durations stay true, as they
do on a machine whose clock is set.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, stub, wanted
from tests.faults.clocks import ClockCampaign, Clocks, clocked, jumps

MODEL = "clock"
FULL_MINUTES, FULL, SMALL = 6.0, 40, 4


def main(words: Sequence[str]) -> int:
    asked = wanted("clocks", words, FULL, SMALL)
    with scene(asked, lambda folder: clocked({MODEL: ""}, stub(folder), folder)[0]) as (line, _):
        campaign = ClockCampaign(line, Clocks(line.folder.parent / "clocks"), MODEL, asked.seed)
        campaign.begin()
        for number, jump in enumerate(jumps(asked.trials, asked.seed), 1):
            campaign.deal(jump)
            print(f"{number}: {jump}", file=sys.stderr)
        return ended(*campaign.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
