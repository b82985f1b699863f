"""The store killed at random moments of a run, and transfers to and from it corrupted, cut, stalled or slowed on their way.

    python -m benchmarks.campaigns.store [--seed 1] [--small] [--kills 50] [--damages 200] [--delays 20] [--writers 50] [--keys 200]

A proxy turns one bit, or ends the connection, at a random byte of one upload or download of each service; or lets nothing pass for
8 s, or 10 KB/s. A client asks the predictor at a steady rate meanwhile. Then many writers put the same objects at once, with
readers between them. Ends with 1 where a run was lost or came double, an object that an event names does not verify, a prediction
failed, or an answer was not that of a deployed model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.objects.minio_store import MinioStore
from tests.faults.conftest import stub_interpreter
from tests.faults.doored_place import doored_line
from tests.faults.evidence import report
from tests.faults.processes import FaultLine
from tests.faults.steady import asked_steadily
from tests.faults.store_trouble import StoreTrouble
from tests.faults.writers import contents, written_at_once

MODEL = "stored"
FULL_MINUTES, ASKED_A_SECOND = 17.0, 50.0
FULL, SMALL = (50, 200, 20, 50, 200), (1, 6, 1, 8, 10)
NAMES = ("kills", "damages", "delays", "writers", "keys")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.campaigns.store", description="A store in trouble.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help=", ".join(map("{} {}".format, SMALL, NAMES)))
    for name, number in zip(NAMES, FULL, strict=True):
        parser.add_argument(f"--{name}", type=int, default=number)
    arguments = parser.parse_args(words)
    sizes = dict(zip(NAMES, SMALL, strict=True)) if arguments.small else {name: getattr(arguments, name) for name in NAMES}
    with TemporaryDirectory(prefix="pushline-store-") as name:
        folder = Path(name)
        with doored_line(folder, stub_interpreter(folder / "training"), MODEL) as (line, doors):
            trouble = StoreTrouble(line, doors, MODEL, arguments.seed)
            trouble.carry_one()
            with asked_steadily(line.seen.grpc, [MODEL], ASKED_A_SECOND) as steady:
                trouble.make(sizes["kills"], sizes["damages"], sizes["delays"])
            bad, told = trouble.told(steady)
            wrong = _writers(line, sizes["writers"], sizes["keys"], arguments.seed)
    for sentence in [*trouble.wrong, *wrong[:5]]:
        print(sentence)
    print(told)
    return 1 if bad or wrong else 0


def _writers(line: FaultLine, writers: int, how_many: int, seed: int) -> list[str]:
    told = line.seen.told["store"]
    access = (told["endpoint"], told["bucket"], told["access_key"], told["secret_key"], told["region"])
    stores, objects = [MinioStore(*access) for _ in range(writers)], contents("written", how_many, seed)
    verified, wrong = written_at_once(stores, objects, seed)
    print(report("writers-of-the-same-objects", writers * how_many, len(wrong), seed, verified=verified))
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
