"""A trainer alone on servers of its own, with many models on a local git host. Its runs fail for want of a script: an outcome."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.conftest import stub_interpreter
from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.pushing import Branch, branches

BUSY = "busy"
QUICK = (sys.executable, "-m", "tests.faults.quick_forge")


@contextmanager
def intake_line(
    models: int,
    commits: int,
    interval: str,
    *,
    quick: bool = False,
    busy: bool = False,
    git_host: str = "",
    folder: Path | None = None,
) -> Iterator[tuple[FaultLine, tuple[Branch, ...]]]:
    """`commits`: how many of each model can be pushed; `quick`: see quick_forge.py; `git_host` shows what lies in folder/line.

    `busy`: the one place for trainings is taken by a script that does nothing until the end, so that no other run is tried.
    """
    names = [f"model-{number}" for number in range(models)]
    with TemporaryDirectory(prefix="pushline-intake-") as own:
        place_at = folder or Path(own)
        wish = Wish(
            dict.fromkeys(names, f'reconcile_interval = "{interval}"') | ({BUSY: ""} if busy else {}),
            stub_interpreter(place_at / "training") if busy else Path(sys.executable),
            ("trainer",),
            commands={"trainer": QUICK} if quick else {},
            git_host=git_host,
        )
        with own_place(place_at) as place, fault_line(place_at / "line", place, wish) as line:
            if busy:
                line.waits_for_the_gate(line.push(BUSY, 1.0, gated=True))
            told_of = {name: line.repositories[name] for name in names}
            with branches(told_of, commits, git_host=git_host) as made:
                yield line, made
