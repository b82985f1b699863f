"""Rounds of timings and their table: n, median, p99, and the ratio to what they are compared with in the same run."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, round(0.99 * len(self.seconds)))]


def interleaved(subjects: Sequence[tuple[str, Callable[[], object]]], n: int, warm_up: int = 1) -> list[Series]:
    """Time each in turn, A B A B …, so that a machine that drifts drifts for all."""
    taken: dict[str, list[float]] = {name: [] for name, _ in subjects}
    for _ in range(warm_up):
        for _, call in subjects:
            call()
    for _ in range(n):
        for name, call in subjects:
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    return [Series(name, tuple(seconds)) for name, seconds in taken.items()]


def table(title: str, series: Sequence[Series], per: int = 1, unit: str = "µs") -> str:
    """Give a Markdown table; the last series is what the others are compared with. `per`: things done in one call."""
    scale = {"µs": 1e6, "ms": 1e3, "s": 1.0}[unit] / per
    base = series[-1].median
    rows = [f"### {title}", "", f"| what | n | median {unit} | p99 {unit} | ratio to {series[-1].name} |", "|---|---|---|---|---|"]
    rows += [
        f"| {each.name} | {len(each.seconds)} | {each.median * scale:.1f} | {each.p99 * scale:.1f} | {each.median / base:.2f} |"
        for each in series
    ]
    return "\n".join(rows) + "\n"
