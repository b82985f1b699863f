"""Gates on what serving costs: times, file and memory, as the machine here measured them.

They take `max`, `max_drop` (how much more than the live model's, measured beside it) and `tolerance`, a share of the limit by which
a measurement may lie above it: no two are alike. Their numbers stand in measured.json alone, so that the report can be made again
to the byte; the report has the gate's threshold and whether it was kept.
"""

import math
from collections.abc import Iterator, Mapping

from pushline.evaluator.judged import Judged, no, row, show, usable, yes
from pushline.objects.costs import TOLERANCES
from pushline.objects.manifest import Gate

COSTS = tuple(TOLERANCES)
WHERE = "measured.json has the numbers"

Costs = Mapping[str, tuple[float | None, float | None]]  # what was measured, and the live model's


def judge_cost(gate: Gate, costs: Costs, *, live: bool) -> Iterator[Judged]:
    value, before = map(usable, costs.get(gate.metric, (None, None)))
    tolerance = TOLERANCES[gate.metric] if gate.tolerance is None else gate.tolerance
    if gate.maximum is not None:
        yield _within(gate.metric, "max", gate.maximum, value, gate.maximum, tolerance)
    if gate.max_drop is not None:
        yield _against(gate.metric, gate.max_drop, value, before, tolerance, live=live)


def _against(metric: str, allowed: float, value: float, before: float, tolerance: float, *, live: bool) -> Judged:
    result = row(metric, "max_drop", allowed)
    if not live and not math.isnan(value):
        return yes(result, f"no model is live yet, so {metric} has nothing to be more than")
    if math.isnan(before) and not math.isnan(value):
        return no(result, "champion_not_comparable", f"the live model's {metric} was not measured")
    return _within(metric, "max_drop", allowed, value, before + allowed, tolerance)


def _within(metric: str, rule: str, threshold: float, value: float, limit: float, tolerance: float) -> Judged:
    result = row(metric, rule, threshold)
    if math.isnan(value):
        return no(result, "not_finite", f"{metric} was not measured; the gate asks for {rule} {show(threshold)}")
    most = f"{rule} {show(threshold)}" + (f" and its tolerance of {100 * tolerance:g} %" if tolerance else "")
    if not value <= limit * (1 + tolerance):
        what = "is above" if rule == "max" else "is more than the live model's by more than"
        return no(result, "too_costly", f"{metric} {what} {most}; {WHERE}")
    return yes(result, f"{metric} keeps to {most}; {WHERE}")
