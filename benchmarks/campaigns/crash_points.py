"""Each service killed at exact points of its traffic with Kafka, the store and its callers, while a commit is under way.

    python -m benchmarks.campaigns.crash_points [--seed 1] [--small] [--times 20] [--trials 0] [--only WORDS] [--logs FOLDER]

Proxies read what passes and kill at the byte: an upload half done, or done and not told; a record appended and not told, or never
appended; an offset not committed, or committed; in a rebalance; a 202 not delivered; a download half done, or done. Prints each
thing that went wrong and one line of figures; ends with 1 where a run was lost or came double, or a named object does not verify.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import keep_logs
from tests.faults.conftest import stub_interpreter
from tests.faults.crashing import CrashPoints, by_push, each_point_once, every_strike
from tests.faults.doored_place import doored_line

MODEL = "struck"
FULL_MINUTES, TIMES = 45.0, 20


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.crash_points", description="Kills at exact points.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="each point once")
    parser.add_argument("--times", type=int, default=TIMES, help="each point at each service")
    parser.add_argument("--trials", type=int, default=0, help="how many of all; 0: all")
    parser.add_argument("--only", default="", help="part of what a trial is called, for instance `half uploaded`")
    parser.add_argument("--logs", type=Path, help="a folder to keep the services' logs in")
    arguments = parser.parse_args(words)
    strikes = each_point_once(arguments.seed) if arguments.small else every_strike(arguments.times, arguments.seed)
    strikes = [strike for strike in strikes if arguments.only in str(strike)]
    with TemporaryDirectory(prefix="pushline-points-") as name:
        folder = Path(name)
        with doored_line(folder, stub_interpreter(folder / "training"), MODEL) as (line, doors):
            campaign = CrashPoints(line, doors, MODEL, arguments.seed)
            campaign.begin()
            for together in by_push(strikes[: arguments.trials or None]):
                took = campaign.deal(together)
                said = f"{'; '.join(map(str, together))}: {took:.1f} s" if took else campaign.wrong[-1]
                print(said, file=sys.stderr, flush=True)
                if arguments.logs:
                    keep_logs(line, arguments.logs)
            lost, double, told = campaign.told()
    for sentence in campaign.wrong:
        print(sentence)
    print(told)
    return 1 if lost or double else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
