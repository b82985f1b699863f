"""Gates on slices: `slice_min` holds for each slice's number, `slice_max_drop` against the live model on each slice's rows.

Here the burden is the other way round than for max_drop: a slice is refused where it is shown to be worse than the live model by
more than the gate allows (one-sided at ALPHA, Holm-corrected over the slices), and passes where nothing is shown. A slice of few
rows could never prove that it is not worse. ALPHA is no setting: a higher confidence would refuse less here. What refuses is told
slice by slice; else the worst slice stands for all.
"""

import math
from collections.abc import Iterator, Sequence

from pushline.evaluator.drop_gates import Champion
from pushline.evaluator.findings import Estimate, SliceFound
from pushline.evaluator.judged import SLACK, Judged, distance, no, row, show, usable, yes
from pushline.evaluator.known_metrics import is_error

ALPHA = 0.05
MOST_TOLD = 20  # slices that refuse


def name_of(found: SliceFound) -> str:
    return f"{found.by}={found.value}" if found.value else found.by


def judge_slice_minimum(metric: str, least: float, slices: Sequence[SliceFound]) -> Iterator[Judged]:
    yield from _told(metric, "slice_min", least, [_minimum(metric, least, each) for each in slices])


def judge_slice_drop(metric: str, allowed: float, slices: Sequence[SliceFound], champion: Champion | None) -> Iterator[Judged]:
    if champion is None:
        yield yes(row(metric, "slice_max_drop", allowed), f"no model is live yet, so no slice's {metric} has anything to drop from")
        return
    if champion.problem:
        sentence = f"no slice's {metric} has anything to be compared with: {champion.problem}"
        yield no(row(metric, "slice_max_drop", allowed), "champion_not_comparable", sentence)
        return
    yield from _told(metric, "slice_max_drop", allowed, [_drop(metric, allowed, each) for each in slices])


def _told(metric: str, rule: str, threshold: float, judged: list[tuple[float, Judged]]) -> Iterator[Judged]:
    """Each has how bad it is. The refused ones are told, worst first; else the worst of those that passed."""
    if not judged:
        sentence = f'gate {metric} has {rule}, but there is no slice; name some in pushline.toml: [evaluate] slices = ["label"]'
        yield no(row(metric, rule, threshold), "no_slices", sentence)
        return
    worst_first = [each for _, each in sorted(judged, key=lambda pair: -pair[0])]
    refused = [each for each in worst_first if not each.result.passed]
    yield from refused[:MOST_TOLD] or worst_first[:1]


def _minimum(metric: str, least: float, found: SliceFound) -> tuple[float, Judged]:
    value = usable(found.metrics.get(metric, Estimate(None)).value)
    result = row(f"{metric}[{name_of(found)}]", "slice_min", least, value)
    unmeasured = _unmeasured(result.metric, found, value, f"slice_min {show(least)}")
    if unmeasured:
        return math.inf, no(result, *unmeasured)
    on = f"{result.metric} {show(value)} on {found.rows} rows"
    if not value >= least - SLACK:
        return -value, no(result, "below_gate", f"{on} is under the gate's minimum {show(least)} for each slice")
    return -value, yes(result, f"{on} is the worst slice and keeps to slice_min {show(least)}")


def _drop(metric: str, allowed: float, found: SliceFound) -> tuple[float, Judged]:
    value = usable(found.metrics.get(metric, Estimate(None)).value)
    before = usable((found.champion or {}).get(metric))
    p_value = usable((found.p_values or {}).get(metric))
    result = row(f"{metric}[{name_of(found)}]", "slice_max_drop", allowed, value, before)
    unmeasured = _unmeasured(result.metric, found, value, f"slice_max_drop {show(allowed)}")
    if unmeasured:
        return math.inf, no(result, *unmeasured)
    if math.isnan(before) or math.isnan(p_value):
        return math.inf, no(result, "champion_not_comparable", f"the live model's {result.metric} is missing or not finite")
    worse = value - before if is_error(metric) else before - value
    against = f"{result.metric} {show(value)} against the live model's {show(before)} on the same {found.rows} rows"
    if p_value <= ALPHA:
        much = f"a drop of {distance(metric, worse)}, more than the {show(allowed)} that the gate allows (p = {p_value:.2g})"
        return worse, no(result, "worse_on_slice", f"{against}: {much}")
    return worse, yes(result, f"{against} is the worst slice; no drop of more than {show(allowed)} is shown")


def _unmeasured(name: str, found: SliceFound, value: float, wanted: str) -> tuple[str, str] | None:
    if not found.rows:
        return (
            "empty_slice",
            f"{name} cannot be judged: the slice {name_of(found)} has no row in this set; the gate asks for {wanted}",
        )
    if math.isnan(value):
        return "not_finite", f"{name} is not defined on the slice's {found.rows} rows; the gate asks for {wanted}"
    return None
