"""Each service, broker and store killed at each stage of a run, and every two of them at once: `make campaigns`.

    python -m benchmarks.campaigns.kills [--seed 1] [--small] [--trials 0] [--embedded] [--logs FOLDER]

Prints each thing that went wrong and one line of figures; ends with 1 where a run was lost or came double.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import keep_logs, place
from tests.faults.conftest import stub_interpreter
from tests.faults.killing import Campaign, every_blow
from tests.faults.processes import Wish, fault_line

MODEL = "killed"
FULL_MINUTES, SMALL_TRIALS = 8.0, 7


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.kills", description="Kills at every stage of a run.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help=f"{SMALL_TRIALS} of them")
    parser.add_argument("--trials", type=int, default=0, help="how many of all; 0: all")
    parser.add_argument("--embedded", action="store_true", help="on the embedded servers, which are not killed: they forget")
    parser.add_argument("--logs", type=Path, help="a folder to keep the services' logs in")
    arguments = parser.parse_args(words)
    trials = arguments.trials or (SMALL_TRIALS if arguments.small else None)
    with TemporaryDirectory(prefix="pushline-kills-") as name, ExitStack() as stack:
        folder = Path(name)
        servers, _ = stack.enter_context(place(folder, embedded=arguments.embedded))
        wish = Wish({MODEL: ""}, stub_interpreter(folder / "training"))
        line = stack.enter_context(fault_line(folder / "line", servers, wish))
        campaign = Campaign(line, MODEL, arguments.seed)
        for blow in every_blow(tuple(servers.servers), arguments.seed)[:trials]:
            campaign.deal(blow)
            took = f"{campaign.recoveries[-1]:.1f} s" if campaign.recoveries else "no kill"
            print(f"{' and '.join(blow.victims)}, {blow.moment.name}: {took}", file=sys.stderr)
            if arguments.logs:
                keep_logs(line, arguments.logs)
        lost, double, told = campaign.told()
    for sentence in campaign.wrong:
        print(sentence)
    print(told)
    return 1 if lost or double else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
