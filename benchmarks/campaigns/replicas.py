"""Three predictors follow a hundred deployments; again and again one of them is frozen for a while.

    python -m benchmarks.campaigns.replicas [--seed 1] [--small] [--trials N] [--logs FOLDER]

All are asked all the time, over gRPC and REST, one connection each: no answer fails or comes from another model than it names,
no connection is told an older `deploy_seq` after a newer one, the others follow while one stands still, and after the thaw all
converge.
"""

import sys
from collections.abc import Sequence

from benchmarks.campaigns.scene import ended, scene, wanted
from tests.faults.processes import Wish
from tests.faults.replicas import ReplicaCampaign
from tests.fixtures.predictor.deploying import Line

MODEL = "replicated"
FULL_MINUTES, FULL, SMALL = 3.0, 100, 10


def main(words: Sequence[str]) -> int:
    asked = wanted("replicas", words, FULL, SMALL)
    with scene(asked, lambda _: Wish({}, services=("predictor",))) as (line, _):
        replicas = [line.services["predictor"], *(line.another(f"replica-{number}", "predictor") for number in (2, 3))]
        campaign = ReplicaCampaign(replicas, Line(line.seen.log, line.seen.store), MODEL, asked.seed)
        campaign.play(asked.trials)
        return ended(*campaign.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
