"""What `python -m benchmarks.campaigns` is made of: which campaigns there are, one of them as a process, their lines as a table."""

import os
import pkgutil
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

PACKAGE = "benchmarks.campaigns"
AT_ONCE = 2
SMALL_MINUTES = 4.0  # what a small one may take; the tests allow them one
SLOWER, SETTING_UP_MINUTES = 2.0, 5.0  # a full one may take so many times its estimate, and so long more
LINE = re.compile(r"^campaign=\S+ trials=\d+ lost=\d+ .*seed=", re.MULTILINE)
APART = ("campaign", "trials", "lost", "bound95", "seed")


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one campaign, and the lines that it printed."""

    name: str
    became: str
    minutes: float
    lines: Sequence[str]

    @property
    def well(self) -> bool:
        return self.became == "passed"


def campaigns() -> dict[str, float]:
    """Give every campaign's name and how many minutes its full size takes, in the order of names."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("__"):
            minutes = getattr(import_module(f"{PACKAGE}.{module.name}"), "FULL_MINUTES", None)
            if minutes is not None:
                found[module.name] = float(minutes)
    return dict(sorted(found.items()))


def bound_minutes(full: float, *, small: bool) -> float:
    return SMALL_MINUTES if small else SLOWER * full + SETTING_UP_MINUTES


def run(name: str, words: Sequence[str], minutes: float) -> Told:
    """Run it, show what it prints, and end it with all that it started where it takes longer than it may."""
    return run_command([sys.executable, "-m", f"{PACKAGE}.{name}", *words], name, minutes)


def run_command(command: Sequence[str], name: str, minutes: float) -> Told:
    began, late = time.monotonic(), threading.Event()
    # Its own session: what is left of it can be ended as a whole.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        timer = threading.Timer(minutes * 60, _end, (process.pid, late))
        timer.start()
        try:
            assert process.stdout is not None
            lines = _shown(process.stdout, name)
            code = process.wait()
        finally:
            timer.cancel()
            _end(process.pid)
    return Told(name, became(code, lines, late_after=minutes if late.is_set() else 0.0), (time.monotonic() - began) / 60, lines)


def became(code: int, lines: Sequence[str], late_after: float = 0.0) -> str:
    """A campaign that says nothing has shown nothing, whatever its exit code."""
    if late_after:
        return f"did not end within {late_after:g} min"
    if code:
        return f"failed with exit code {code}"
    return "passed" if lines else "printed no line"


def table(told: Iterable[Told]) -> str:
    rows = ["| campaign | trials | lost | bound95 | figures | seed | min | became |", "|---|---|---|---|---|---|---|---|"]
    for each in told:
        rows += [_row(line, each) for line in each.lines] or [_row(f"campaign={each.name}", each)]
    return "\n".join(rows) + "\n"


def _row(line: str, told: Told) -> str:
    figures = dict(word.split("=", 1) for word in line.split() if "=" in word)
    more = " ".join(f"{name}={value}" for name, value in figures.items() if name not in APART)
    cells = [*(figures.get(name, "-") for name in ("campaign", "trials", "lost", "bound95")), more, figures.get("seed", "-")]
    return f"| {' | '.join([*cells, f'{told.minutes:.1f}', told.became])} |"


def _shown(lines: Iterable[str], name: str) -> list[str]:
    found = []
    for line in lines:
        sys.stdout.write(f"{name}: {line}")
        sys.stdout.flush()
        if LINE.match(line):
            found.append(line.strip())
    return found


def _end(group: int, late: threading.Event | None = None) -> None:
    if late is not None:
        late.set()
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
