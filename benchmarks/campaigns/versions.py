"""Services of an earlier version beside today's: each service changes its version, there and back, in the middle of runs.

    python -m benchmarks.campaigns.versions [--seed 1] [--small] [--trials N] [--logs FOLDER]

The earlier version is a commit of this repository's own history, installed hash-locked into an environment of its own in the user's
cache. The line begins with it; then one service after the other becomes today's, each at a moment of a run drawn by chance, and so
back again. No run is lost or comes double, and each new model answers, whoever is of which version.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, stub, wanted
from tests.faults.processes import Wish
from tests.faults.versions import SERVICES, VersionCampaign, earlier_python

MODEL = "versioned"
FULL_MINUTES, FULL, SMALL = 6.0, 50, 10


def main(words: Sequence[str]) -> int:
    asked, earlier = wanted("versions", words, FULL, SMALL), earlier_python()
    with scene(asked, lambda folder: Wish({MODEL: ""}, stub(folder))) as (line, _):
        campaign = VersionCampaign(line, MODEL, earlier, asked.seed)
        campaign.begin(*SERVICES)
        for name, moment in campaign.plan(asked.trials):
            campaign.deal(name, moment)
            print(f"{name} at {moment.name}; of the earlier version now: {sorted(campaign.old)}", file=sys.stderr)
        return ended(*campaign.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
