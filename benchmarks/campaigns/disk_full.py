"""Each volume full to the last byte: the trainer's, the evaluator's and the predictor's folder, the broker's log, the store's data.

    python -m benchmarks.campaigns.disk_full [--seed 1] [--small] [--trials N] [--logs FOLDER]

A webhook is answered 202 only for what is in the log; a run waits, and the service names the disk, or fails for that reason; once
there is room everything goes on, and no service has to be started again. Kafka alone ends itself when it cannot write to its log:
whoever runs it starts it again, as is done here. The volumes are tmpfs of a few MB in namespaces of their own.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.campaigns.scene import ended, stub, wanted
from benchmarks.line import keep_logs
from tests.faults.full_disks import VOLUMES, DiskCampaign, small_line
from tests.faults.processes import Wish

MODEL = "disk"
FULL_MINUTES, FULL, SMALL = 15.0, 50, len(VOLUMES)


def main(words: Sequence[str]) -> int:
    asked = wanted("disk_full", words, FULL, SMALL)
    with TemporaryDirectory(prefix="pushline-disk-") as name:
        wish = Wish({MODEL: ""}, stub(Path(name)))
        with small_line(Path(name) / "small", wish) as (line, disks), ExitStack() as stack:
            if asked.logs:
                stack.callback(keep_logs, line, asked.logs)
            campaign = DiskCampaign(line, disks, MODEL, asked.seed)
            for number, volume in enumerate(campaign.volumes(asked.trials), 1):
                campaign.deal(volume)
                print(f"{number}: {volume} {campaign.wrong[-1:]}", file=sys.stderr)
            return ended(*campaign.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
