"""One webhook in ten never arrives: each of these pushes is found by the poller; how long that takes.

    python -m benchmarks.campaigns.missed [--seed 1] [--small]

Twenty repositories, looked at every 3 seconds (reconcile_interval), pushed to every 6: each push is the head for longer than an
interval. 1,000 pushes, 100 of them untold. The time to heal is from the push to the broker's time of its record.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.faults.intake_line import intake_line
from tests.faults.intake_missed import Campaign

FULL_MINUTES = 6.0
MODELS, INTERVAL_SECONDS, REST_SECONDS = 20, 3, 6.0
FULL, SMALL = 1000, 40


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.missed", description="Webhooks that never arrive.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args(words)
    pushes = SMALL if arguments.small else FULL
    with intake_line(MODELS, pushes, f"{INTERVAL_SECONDS}s") as (line, branches):
        campaign = Campaign(line, branches, arguments.seed, REST_SECONDS)
        campaign.run(pushes)
        verdict, unhealed, told = campaign.told()
    for sentence in verdict.sentences:
        print(sentence)
    print(told)
    return 1 if verdict.sentences or unhealed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
