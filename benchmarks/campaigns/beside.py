"""A predictor at half of what it can do, while everything else is killed, frozen and fed nonsense: not one call may fail.

    python -m benchmarks.campaigns.beside [--seed 1] [--small] [--trials SECONDS] [--logs FOLDER]

What it can do is measured first, by the same callers on the same machine. Broker, store, trainer, evaluator and deployer meet all
faults of the soak, and new models come in all the time; the predictor itself is left alone.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, stub, wanted
from tests.faults.askers import capacity
from tests.faults.processes import Wish
from tests.faults.soaking import Soak

MODELS = ("beside-one", "beside-two")
FULL_MINUTES, FULL_SECONDS, SMALL_SECONDS = 12.0, 600, 30
SHARE, CONNECTIONS = 0.5, 2


def main(words: Sequence[str]) -> int:
    asked = wanted("beside", words, FULL_SECONDS, SMALL_SECONDS)
    with scene(asked, lambda folder: Wish(dict.fromkeys(MODELS, ""), stub(folder))) as (line, _):
        soak = Soak(line, MODELS, asked.seed, spared=("predictor",))
        soak.begin()
        soak.calls_a_second = SHARE * capacity(line.services["predictor"], MODELS, CONNECTIONS)
        print(f"{soak.calls_a_second:.0f} calls a second, half of what {CONNECTIONS} connections get", file=sys.stderr)
        soak.play(asked.trials)
        return ended(*soak.told("beside"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
