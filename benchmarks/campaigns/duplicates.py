"""10,000 deliveries of 500 pushes, 16 at a time, in any order: one run a push, and the head is the newest.

    python -m benchmarks.campaigns.duplicates [--seed 1] [--small]

Pushes to five repositories in turn. Each is told 20 times by GitHub, GitLab and Gitea, from the moment of its push to the end, half
of them soon, half under ids of their own; when all is over one delivery in twenty is sent once more. Then each of the 24 orders of
four pushes. A push has one run at the most, no other commit has one, a 202 is for what was the head when the webhook came, and the
newest push of each model is the head that git shows. The trainer waits a quarter of a second, not five, before it asks the git host
once more: a late delivery costs its sender this wait, and thousands of them would take an hour.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.faults.intake_line import intake_line
from tests.faults.intake_repeats import Campaign

FULL_MINUTES = 5.0
MODELS = 5
ORDERED = 24 * 4  # commits that the orders take
FULL, SMALL = (500, 20), (30, 10)  # pushes, deliveries of each


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.duplicates", description="Webhooks that come many times.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args(words)
    pushes, times = SMALL if arguments.small else FULL
    with intake_line(MODELS, pushes // MODELS + ORDERED, "1h", quick=True) as (line, branches):
        campaign = Campaign(line, branches, arguments.seed)
        campaign.run(pushes, times)
        verdict, told = campaign.told()
    for sentence in verdict.sentences:
        print(sentence)
    print(told)
    return 1 if verdict.sentences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
