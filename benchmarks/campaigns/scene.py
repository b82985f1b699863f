"""Where a campaign plays: its options, and a line of its own on a real broker and store of its own."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.line import keep_logs
from tests.faults.conftest import stub_interpreter
from tests.faults.places import Place, own_place
from tests.faults.processes import FaultLine, Wish, fault_line


@dataclass(frozen=True, slots=True)
class Wanted:
    seed: int
    small: bool
    logs: Path | None
    trials: int


def wanted(name: str, words: Sequence[str], full: int, small: int) -> Wanted:
    """Read the options that all campaigns have. `full` and `small` are how many trials these sizes have."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.campaigns.{name}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help=f"the tests' size: {small}, not {full}")
    parser.add_argument("--trials", type=int, default=0, help="so many instead")
    parser.add_argument("--logs", type=Path, help="a folder to keep the services' logs in")
    told = parser.parse_args(words)
    return Wanted(told.seed, told.small, told.logs, told.trials or (small if told.small else full))


@contextmanager
def scene(asked: Wanted, wish: Callable[[Path], Wish]) -> Iterator[tuple[FaultLine, Place]]:
    """Run a line; `wish` is told a folder that is there as long as the line. Its logs are kept where that was asked for."""
    with TemporaryDirectory(prefix="pushline-campaign-") as name, ExitStack() as stack:
        folder = Path(name)
        place = stack.enter_context(own_place(folder))
        line = stack.enter_context(fault_line(folder / "line", place, wish(folder)))
        if asked.logs:
            stack.callback(keep_logs, line, asked.logs)
        yield line, place


def stub(folder: Path) -> Path:
    return stub_interpreter(folder / "training")


def ended(sentences: Sequence[str], line: str) -> int:
    """Say what went wrong, then the campaign's line; give the exit code."""
    for sentence in sentences:
        print(sentence)
    print(line)
    return 1 if sentences else 0
