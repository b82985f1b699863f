"""A thousand runs, and on each topic a thousand records that are no event among theirs.

    python -m benchmarks.campaigns.poison [--seed 1] [--small] [--trials N] [--logs FOLDER]

Every good run is done, and models go live in the order of the pushes; every bad record is on its dead-letter topic exactly once.
Bad ones come so mixed that no partition has more than some ten in a row: what many in a row mean, and that they stop a stage, is
another test's matter.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, stub, wanted
from tests.faults.poisoning import EVERY, PoisonCampaign
from tests.faults.processes import Wish

MODELS = tuple(f"poisoned-{number}" for number in range(4))
FULL_MINUTES, FULL, SMALL = 60.0, 1000, 12


def main(words: Sequence[str]) -> int:
    asked = wanted("poison", words, FULL, SMALL)
    environ = {"PUSHLINE_MAX_TRAININGS": "2"}
    with scene(asked, lambda folder: Wish(dict.fromkeys(MODELS, EVERY), stub(folder), environ=environ)) as (line, _):
        campaign = PoisonCampaign(line, MODELS, asked.seed)
        campaign.play(asked.trials)
        campaign.judge()
        return ended(*campaign.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
