"""A trainer alone on servers of its own, with many models on a local git host. Its runs fail for want of a script: an outcome."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.pushing import Branch, branches

QUICK = (sys.executable, "-m", "tests.faults.quick_forge")


@contextmanager
def intake_line(models: int, commits: int, interval: str, *, quick: bool = False) -> Iterator[tuple[FaultLine, tuple[Branch, ...]]]:
    """`commits`: how many of each model can be pushed; `quick`: see quick_forge.py."""
    wish = Wish(
        {f"model-{number}": f'reconcile_interval = "{interval}"' for number in range(models)},
        Path(sys.executable),
        ("trainer",),
        commands={"trainer": QUICK} if quick else {},
    )
    with (
        TemporaryDirectory(prefix="pushline-intake-") as folder,
        own_place(Path(folder)) as place,
        fault_line(Path(folder) / "line", place, wish) as line,
        branches(line.repositories, commits) as made,
    ):
        yield line, made
