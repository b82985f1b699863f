"""The broker killed, frozen for 5 to 60 s and restarted cleanly at random moments, under a flow of pushes and predictions.

    python -m benchmarks.campaigns.broker [--seed 1] [--small] [--kills 50] [--freezes 20] [--restarts 20]

Pushes go to three models all the time, each told again until it is answered 202; a client asks the predictor at a steady rate,
whether or not the answers before have come. Lost: an accepted push without its outcome, a head that is not live at the end, an
object that an event names and the store has not. Conflicting: one event id with two contents, one slot with two ids. Ends with 1
where there was any, or a prediction failed or was wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import place
from tests.faults.broker_trouble import BrokerTrouble, blows
from tests.faults.conftest import stub_interpreter
from tests.faults.flow import flowing
from tests.faults.processes import Wish, fault_line
from tests.faults.steady import asked_steadily

MODELS = ("flow-a", "flow-b", "flow-c")
FULL_MINUTES = 40.0
PAUSE_SECONDS, ASKED_A_SECOND = 3.0, 50.0
FULL, SMALL = (50, 20, 20), (2, 1, 1)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.broker", description="A broker in trouble.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="{} kills, {} freeze, {} restart".format(*SMALL))
    for name, number in zip(("--kills", "--freezes", "--restarts"), FULL, strict=True):
        parser.add_argument(name, type=int, default=number)
    arguments = parser.parse_args(words)
    kills, freezes, restarts = SMALL if arguments.small else (arguments.kills, arguments.freezes, arguments.restarts)
    with TemporaryDirectory(prefix="pushline-broker-") as name:
        folder = Path(name)
        wish = Wish(dict.fromkeys(MODELS, ""), stub_interpreter(folder / "training"))
        with place(folder, embedded=False) as (servers, _), fault_line(folder / "line", servers, wish) as line:
            for number, model in enumerate(MODELS):
                run = line.push(model, 1.125 + number / 8)
                line.deployed(run)
                line.answers(model, run)
            with asked_steadily(line.seen.grpc, MODELS, ASKED_A_SECOND) as steady:
                with flowing(line, MODELS, PAUSE_SECONDS) as flow:
                    trouble = BrokerTrouble(line, flow, arguments.seed)
                    for blow in blows(kills, freezes, restarts, arguments.seed):
                        print(f"{blow.kind}: {trouble.deal(blow):.1f} s", file=sys.stderr, flush=True)
                trouble.settle()
            bad, told = trouble.told(steady)
    for sentence in trouble.wrong:
        print(sentence)
    print(told)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
