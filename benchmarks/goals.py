"""Goals beside figures: one form of table in every benchmark, and all of them in one at the end of `make bench`.

python -m benchmarks.goals FILE …     gather the goals out of what benchmarks printed, a file each
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = ("| goal | wanted | figure | met |", "|---|---|---|---|")
MET, MISSED = "yes", "no"


@dataclass(frozen=True, slots=True)
class Goal:
    name: str
    figure: float
    bound: float
    most: bool  # the bound is the most that the figure may be, else the least
    unit: str = ""

    @property
    def met(self) -> bool:
        """A figure that is no number misses."""
        return self.figure <= self.bound if self.most else self.figure >= self.bound

    def __str__(self) -> str:
        wanted, unit = "≤" if self.most else "≥", f" {self.unit}" if self.unit else ""
        return f"| {self.name} | {wanted} {_text(self.bound)}{unit} | {_text(self.figure)}{unit} | {MET if self.met else MISSED} |"


def at_least(name: str, bound: float, figure: float, unit: str = "") -> Goal:
    return Goal(name, figure, bound, most=False, unit=unit)


def at_most(name: str, bound: float, figure: float, unit: str = "") -> Goal:
    return Goal(name, figure, bound, most=True, unit=unit)


def table(goals: Sequence[Goal]) -> str:
    return "\n".join([*HEAD, *map(str, goals)]) + "\n"


def gathered(printed: Sequence[str]) -> str:
    """One table of all the goals in what was printed, and how many were met."""
    rows = [row for text in printed for row in _rows(text)]
    met = sum(row.endswith(f"| {MET} |") for row in rows)
    return "\n".join(["### Goals", "", *HEAD, *rows, "", f"{met} of {len(rows)} goals met"]) + "\n"


def _rows(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        if inside and line.startswith("|") and line not in HEAD:
            yield line
        inside = line == HEAD[0] or (inside and line.startswith("|"))


def _text(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


if __name__ == "__main__":
    print(gathered([Path(name).read_text() for name in sys.argv[1:]]))
