"""Webhooks at 20 a second while broker and trainer are killed: what was answered 202 is never lost.

    python -m benchmarks.campaigns.webhooks [--seed 1] [--small]

Pushes to ten repositories in turn, each told as GitHub, GitLab or Gitea tells it; every second sender tries again after a second
where it was not taken, up to five times, the others never do. At random moments the broker is killed and started again
(20 times), or the trainer (40 times), one blow in four while the one before is not yet recovered from. The pushes go on until all
blows are dealt, at least 2,000 of them. Then every 202's run is looked for in the log, read from offset 0, with its SHA and an
outcome; no push has two runs; the newest push of each model is the head that git shows. p99 is of 202s that met no outage.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.faults.intake_kills import Campaign
from tests.faults.intake_line import intake_line

FULL_MINUTES = 8.0
MODELS, MOST_COMMITS = 10, 3000
FULL, SMALL = (20, 40, 2000), (2, 4, 200)  # kills of the broker, of the trainer, pushes


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.webhooks", description="Webhooks under kills.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args(words)
    with intake_line(MODELS, MOST_COMMITS, "5s") as (line, branches):
        campaign = Campaign(line, branches, arguments.seed)
        campaign.run(*(SMALL if arguments.small else FULL))
        verdict, told = campaign.told()
    for sentence in (*verdict.sentences, *campaign.wrong):
        print(sentence)
    print(told)
    return 1 if verdict.sentences or campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
