"""The picture of a run: latency over time, with the swaps marked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reloading.campaign import Swap
from benchmarks.reloading.windows import Array, Run

SHOWN_SECONDS, SHOWN_FAST_SECONDS, STEP_SECONDS = 20.0, 3.0, 0.01
BEFORE_SECONDS, AFTER_SECONDS = 0.4, 0.6
SHARES = ((1.0, "slowest", "#c44e52"), (0.99, "p99", "#dd8452"), (0.5, "p50", "#4c72b0"))
DOTS_PER_INCH = 90


def draw(run: Run, steady: Sequence[Swap], fast: Sequence[Swap], control_p99: float, file: Path) -> None:
    figure = Figure(figsize=(11, 11), layout="constrained")
    over_time, together, quick = figure.subplots(3, 1)
    rate = (len(run.due) - 1) / (run.due[-1] - run.due[0])
    figure.suptitle(f"Latency of {rate:.0f} calls a second while models are swapped, from the time when each call was due")
    middle = steady[len(steady) // 2].seen
    _over_time(over_time, run, steady, (middle, middle + SHOWN_SECONDS))
    over_time.set_title(f"{SHOWN_SECONDS:g} s with a swap about every second", loc="left")
    _together(together, run, [swap.seen for swap in steady], control_p99)
    if fast:
        begin = fast[len(fast) // 2].seen
        _over_time(quick, run, fast, (begin, min(begin + SHOWN_FAST_SECONDS, fast[-1].seen)))
        quick.set_title(f"{SHOWN_FAST_SECONDS:g} s with swaps as fast as they go", loc="left")
    figure.savefig(file, dpi=DOTS_PER_INCH)


def _over_time(axes: Any, run: Run, swaps: Sequence[Swap], shown: tuple[float, float]) -> None:  # noqa: ANN401 - matplotlib's
    begin, end = shown
    first, last = np.searchsorted(run.due, shown)
    marks = [swap.seen - begin for swap in swaps if begin <= swap.seen <= end]
    axes.vlines(marks, 0, 1, transform=axes.get_xaxis_transform(), color="#999999", linewidth=0.8, label="swap")
    _lines(axes, run.due[first:last] - begin, run.latency[first:last], (0.0, end - begin))
    axes.set_xlim(0, end - begin)
    _named(axes, "seconds")


def _together(axes: Any, run: Run, swaps: Sequence[float], control_p99: float) -> None:  # noqa: ANN401 - matplotlib's
    """All swaps one over the other."""
    places, latencies = [], []
    for swap in swaps:
        first, last = np.searchsorted(run.due, (swap - BEFORE_SECONDS, swap + AFTER_SECONDS))
        places.append(run.due[first:last] - swap)
        latencies.append(run.latency[first:last])
    _lines(axes, np.concatenate(places), np.concatenate(latencies), (-BEFORE_SECONDS, AFTER_SECONDS))
    axes.axvline(0, color="#999999", linewidth=0.8, label="swap")
    axes.axhline(1e3 * control_p99, color="#55a868", linestyle="--", linewidth=1, label="p99 of the control windows")
    axes.set_xlim(-BEFORE_SECONDS, AFTER_SECONDS)
    axes.set_title(f"{len(swaps)} swaps one over the other", loc="left")
    _named(axes, "seconds from the first answer by the new model")


def _lines(axes: Any, at: Array, latencies: Array, span: tuple[float, float]) -> None:  # noqa: ANN401 - matplotlib's
    edges = np.arange(span[0], span[1] + STEP_SECONDS, STEP_SECONDS)
    bins = np.digitize(at, edges)
    inside = [latencies[bins == number] for number in range(1, len(edges))]
    middles = edges[:-1] + STEP_SECONDS / 2
    for share, name, colour in SHARES:
        figures = [1e3 * np.nanquantile(each, share) if len(each) else np.nan for each in inside]
        axes.plot(middles, figures, color=colour, linewidth=0.9, label=f"{name} of {1e3 * STEP_SECONDS:g} ms")


def _named(axes: Any, along: str) -> None:  # noqa: ANN401 - matplotlib's
    axes.set_yscale("log")
    axes.set_xlabel(along)
    axes.set_ylabel("latency, ms")
    axes.grid(visible=True, which="major", axis="y", linewidth=0.4)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, fontsize="small", frameon=False)
