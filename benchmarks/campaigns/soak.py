"""All faults by chance, for half an hour: kills, freezes, poison, forged and repeated records, people's acts, clocks that jump.

    python -m benchmarks.campaigns.soak [--seed 1] [--small] [--trials SECONDS] [--logs FOLDER]

Two predictors are asked all the time. Now and then everything is healed, and all work has to end; after that what processes and
folders hold is noted. In the end the ten invariants of tests/faults/invariants.py are asked of log, answers and objects.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, stub, wanted
from tests.faults.clocks import Clocks, clocked
from tests.faults.soaking import Soak

MODELS = ("soaked-one", "soaked-two")
FULL_MINUTES, FULL_SECONDS, SMALL_SECONDS = 32.0, 1800, 45


def main(words: Sequence[str]) -> int:
    asked = wanted("soak", words, FULL_SECONDS, SMALL_SECONDS)
    with scene(asked, lambda folder: clocked(dict.fromkeys(MODELS, ""), stub(folder), folder)[0]) as (line, _):
        clocks = Clocks(line.folder.parent / "clocks")
        soak = Soak(line, MODELS, asked.seed, clocks, replicas=[line.another("replica-2", "predictor")])
        soak.begin()
        soak.play(asked.trials)
        print(" ".join(f"{name}={count}" for name, count in sorted(soak.dealt.items())), file=sys.stderr)
        return ended(*soak.told("soak"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
