"""What one run left, as tables."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import grpc
import numpy as np

from benchmarks import goals
from benchmarks.goals import Goal, at_most
from benchmarks.hostile.subject import Subject
from benchmarks.reloading import windows
from benchmarks.reloading.calls import NONE_CAME, WAS_CLOSED, WAS_RESET
from benchmarks.reloading.campaign import MODEL, Block, Resources, Swap
from benchmarks.reloading.windows import OK, Array, Compared, Run

WINDOW_SECONDS = 0.2
LONGEST_SWAP_SECONDS, LONGER_GAP_SECONDS, RATIO, MORE = 0.002, 0.002, 1.10, 1.05
STATUSES = {code.value[0]: code.name for code in grpc.StatusCode} | {
    NONE_CAME: "unanswered",
    WAS_RESET: "reset",
    WAS_CLOSED: "closed",
}
BUCKET = re.compile(r'^pushline_predictor_swap_seconds_bucket\{le="(.+)"\} (.+)$', re.MULTILINE)


@dataclass(frozen=True)
class Swapping:
    """The predictor's own figures of its swaps."""

    buckets: dict[float, float]  # swaps that took at most so many seconds
    seconds: float
    loads: float

    @classmethod
    def of(cls, subject: Subject) -> "Swapping":
        text = subject.service.metrics()
        buckets = {float(bound): float(count) for bound, count in BUCKET.findall(text)}
        loads = subject.metric(f'pushline_predictor_reloads_total{{model="{MODEL}",outcome="serving"}}')
        return cls(buckets, subject.metric("pushline_predictor_swap_seconds_sum"), loads)

    def since(self, before: "Swapping") -> "Swapping":
        buckets = {bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()}
        return Swapping(buckets, self.seconds - before.seconds, self.loads - before.loads)

    @property
    def count(self) -> float:
        return self.buckets.get(math.inf, 0.0)

    @property
    def longest(self) -> float:
        """Seconds that none took longer than; NaN where none is known."""
        return min((bound for bound, count in self.buckets.items() if count and count == self.count), default=math.nan)


@dataclass(frozen=True)
class Measured:
    run: Run
    version: Array  # deploy_seq of each payload
    right: Array  # of each payload: are digest and numbers those of that deployment?
    blocks: Sequence[Block]
    fast: Sequence[Swap]
    most: float  # calls a second
    busy: float  # how much of its core the server had at the most
    scheduling: str
    before: Resources
    after: Resources
    swapping: Swapping

    @property
    def wrong(self) -> int:
        return int(np.count_nonzero((self.run.status == OK) & ~self.right[self.run.payload]))

    @property
    def steady(self) -> list[Swap]:
        return [swap for block in self.blocks for swap in block.swaps]

    @cached_property
    def after_swaps(self) -> Compared:
        return self._compared([swap.seen for swap in self.steady])

    @cached_property
    def after_records(self) -> Compared:
        return self._compared([swap.told for swap in self.steady])

    def _compared(self, begins: Sequence[float]) -> Compared:
        controls = [
            begin for block in self.blocks for begin in windows.controls(block.quiet_from, len(block.swaps), WINDOW_SECONDS)
        ]
        return windows.compared(self.run, begins, controls, WINDOW_SECONDS)


def report(measured: Measured, title: str) -> str:
    parts = [f"### Reload under load: {title}\n", _situation(measured), _windows_table(measured), _times_table(measured)]
    return "\n".join([*parts, _resources_table(measured), goals.table(_goals(measured))])


def _goals(measured: Measured) -> list[Goal]:
    before, after, found = measured.before, measured.after, measured.after_swaps
    return [
        at_most("reload: failed calls", 0, measured.run.failed),
        at_most("reload: answers whose numbers are not those of the model they name", 0, measured.wrong),
        at_most("reload: p99 after swaps ÷ p99 of the controls, lower end", RATIO, found.lower),
        at_most("reload: longest gap after swaps, beyond the controls'", 2, 1e3 * (found.after_gap - found.control_gap), "ms"),
        at_most("reload: the swap itself, at most", 1e3 * LONGEST_SWAP_SECONDS, 1e3 * measured.swapping.longest, "ms"),
        at_most("reload: resident memory after ÷ before", MORE, after.resident_mib / before.resident_mib),
        at_most("reload: threads after ÷ before", MORE, after.threads / before.threads),
        at_most("reload: file descriptors after ÷ before", MORE, after.descriptors / before.descriptors),
    ]


def _situation(measured: Measured) -> str:
    run, count = measured.run, len(measured.run.due)
    rate = (count - 1) / (run.due[-1] - run.due[0])
    late = 1e6 * np.quantile(run.sent - run.due, (0.5, 0.99))
    bound = f"{3 / count:.1g}" if run.failed == 0 else "not zero"
    back = windows.went_back(run, measured.version)
    swaps = f"{len(measured.steady)} swaps about every second, then {len(measured.fast)} as fast as they go"
    return (
        f"{swaps}; {count} calls at {rate:.0f} a second over {run.connections} connections, {rate / measured.most:.0%} of the most "
        f"({measured.most:.0f}, with {measured.busy:.0%} of the server's core). Failed: {_failed(run)} (bound95 {bound}); wrong: "
        f"{measured.wrong}; answers by an older model than one before on the same connection: {back}. Calls left {late[0]:.0f} µs "
        f"after they were due (p99 {late[1]:.0f} µs; scheduling {measured.scheduling}). Loads that the predictor counted: "
        f"{measured.swapping.loads:.0f}.\n"
    )


def _failed(run: Run) -> str:
    """Give how many, and of which status."""
    statuses, counts = np.unique(run.status[run.status != OK], return_counts=True)
    named = [f"{count} {STATUSES.get(status, status)}" for status, count in zip(statuses.tolist(), counts.tolist(), strict=True)]
    return f"{run.failed} ({', '.join(named)})" if named else "0"


def _windows_table(measured: Measured) -> str:
    head = "| 200 ms after | pairs | calls | p99 ms | control's p99 ms | ratio | interval | longest gap ms | control's ms |"
    rows = [head, "|---" * 9 + "|"]
    rows += [
        f"| {name} | {each.pairs} | {each.calls} | {1e3 * each.after_p99:.2f} | {1e3 * each.control_p99:.2f} | {each.ratio:.2f} "
        f"| {each.lower:.2f} to {each.upper:.2f} | {1e3 * each.after_gap:.1f} | {1e3 * each.control_gap:.1f} |"
        for name, each in (("the swap", measured.after_swaps), ("the record", measured.after_records))
    ]
    return "\n".join(rows) + "\n"


def _times_table(measured: Measured) -> str:
    rows = ["| what | n | p50 ms | p99 ms | max ms |", "|---|---|---|---|---|"]
    for name, swaps in (("every second", measured.steady), ("as fast as they go", measured.fast)):
        last = last_by_older(measured, swaps)
        rows.append(_times(f"{name}: record → first answer by the new model", [swap.seen - swap.told for swap in swaps]))
        rows.append(_times(f"{name}: record → last answer by an older one", [last[swap.deploy_seq] - swap.told for swap in swaps]))
        if swaps:
            rows.append(_times(f"{name}: latency", measured.run.between(swaps[0].told, swaps[-1].seen)))
    swapping = measured.swapping
    mean = f"mean {1e3 * swapping.seconds / swapping.count:.3f}" if swapping.count else ""
    rows.append(
        f"| the swap itself, by the predictor's metric | {swapping.count:.0f} | {mean} | | ≤ {1e3 * swapping.longest:.3g} |"
    )
    return "\n".join(rows) + "\n"


def last_by_older(measured: Measured, swaps: Sequence[Swap]) -> dict[int, float]:
    """Give the time of the last answer by any deployment before each."""
    run, found = measured.run, {}
    version = np.where(run.status == OK, measured.version[run.payload], np.iinfo(int).max)
    for swap in swaps:
        first, last = np.searchsorted(run.due, (swap.told - 1.0, swap.seen + 2.0))
        older = run.answered[first:last][version[first:last] < swap.deploy_seq]
        found[swap.deploy_seq] = float(older.max())
    return found


def _times(name: str, seconds: Sequence[float] | Array) -> str:
    if not len(seconds):
        return f"| {name} | 0 | | | |"
    p50, p99, most = (1e3 * float(each) for each in np.quantile(np.asarray(seconds), (0.5, 0.99, 1)))
    return f"| {name} | {len(seconds)} | {p50:.1f} | {p99:.1f} | {most:.1f} |"


def _resources_table(measured: Measured) -> str:
    rows = ["| of the predictor, all its processes | before | after |", "|---|---|---|"]
    before, after = measured.before, measured.after
    rows.append(f"| resident memory MiB | {before.resident_mib:.1f} | {after.resident_mib:.1f} |")
    rows.append(f"| threads | {before.threads} | {after.threads} |")
    rows.append(f"| file descriptors | {before.descriptors} | {after.descriptors} |")
    return "\n".join(rows) + "\n"
