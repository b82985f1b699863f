"""What both models are worth on each slice, and how sure it is that the candidate is worse there: Holm-corrected over the slices.

Holm (1979, "A simple sequentially rejective multiple test procedure"): of m slices, the smallest p-value counts m-fold, the next
one (m - 1)-fold, and none less than one before it. So the chance of refusing any slice wrongly stays that of one test, however
many. Labels are one family of slices, all others another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pushline.evaluator.findings import SliceFound
from pushline.evaluator.known_metrics import FIRST_METRIC, REGRESSION, is_error
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.estimates import estimates
from pushline.evaluator.paired import Pair, Side, difference, p_worse, pairs, side
from pushline.evaluator.slices import Slice
from pushline.objects.slices import LABEL


@dataclass(frozen=True, slots=True)
class _Found:
    about: SliceFound
    pairs: Mapping[str, Pair]


def measure_slices(
    slices: Sequence[Slice], candidate: Answered, champion: Answered | None, drops: Mapping[str, float], confidence: float
) -> tuple[SliceFound, ...]:
    """`drops` is the slice_max_drop of each metric that has one."""
    names = list(dict.fromkeys([FIRST_METRIC[candidate.task], *drops]))
    found = [_measure(each, candidate, champion, names, confidence) for each in slices]
    tests = {
        name: _corrected(found, [_p_value(each.pairs.get(name), name, drop) for each in found]) for name, drop in drops.items()
    }
    return tuple(_with_tests(each.about, at, tests) for at, each in enumerate(found))


def worst(found: Sequence[SliceFound], metric: str) -> SliceFound | None:
    """Give the slice on which the candidate's metric is worst; those without a number have none."""
    numbers = [(each.metrics[metric].value, each) for each in found if metric in each.metrics]
    known = [(value, each) for value, each in numbers if value is not None]
    sign = -1 if is_error(metric) else 1
    return min(known, key=lambda pair: sign * pair[0])[1] if known else None


def _measure(each: Slice, candidate: Answered, champion: Answered | None, names: Sequence[str], confidence: float) -> _Found:
    rows = int(each.chosen.sum())
    if not rows:
        return _Found(SliceFound(each.by, each.value, 0, {}), {})
    now = side(candidate.only(each.chosen))
    resample = candidate.task == REGRESSION  # of the many metrics of a classification that takes long, slice by slice
    metrics = estimates(now.rows, now.summed, confidence, resample=resample)
    metrics = {name: estimate for name, estimate in metrics.items() if "." not in name}
    about = SliceFound(each.by, each.value, rows, metrics)
    return _Found(about, {}) if champion is None else _beside(about, now, side(champion.only(each.chosen)), names, confidence)


def _beside(about: SliceFound, now: Side, before: Side, names: Sequence[str], confidence: float) -> _Found:
    found = pairs(now, before, names)
    points = {name: value if np.isfinite(value) else None for name, value in before.summed.sums.point().items() if "." not in name}
    differences = {name: difference(pair, confidence) for name, pair in found.items()}
    return _Found(replace(about, champion=points, differences=differences), found)


def _p_value(pair: Pair | None, metric: str, drop: float) -> float | None:
    return None if pair is None else p_worse(pair, drop, error=is_error(metric))


def _corrected(found: Sequence[_Found], p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Labels are corrected among themselves: more slices of the repository's own must not water down what is said of them."""
    labels = [each.about.by == LABEL for each in found]
    families = [
        _holm([p_value if is_label is kind else None for p_value, is_label in zip(p_values, labels, strict=True)])
        for kind in (True, False)
    ]
    return tuple(one if is_label else other for is_label, one, other in zip(labels, *families, strict=True))


def _holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    known = sorted((p_value, at) for at, p_value in enumerate(p_values) if p_value is not None)
    corrected: dict[int, float] = dict(_stepped(known))
    return tuple(corrected.get(at) for at in range(len(p_values)))


def _stepped(known: Sequence[tuple[float, int]]) -> Iterator[tuple[int, float]]:
    most = 0.0
    for before, (p_value, at) in enumerate(known):
        most = max(most, min(1.0, (len(known) - before) * p_value))
        yield at, most


def _with_tests(about: SliceFound, at: int, tests: Mapping[str, tuple[float | None, ...]]) -> SliceFound:
    p_values = {name: p_value for name, each in tests.items() if (p_value := each[at]) is not None}
    return replace(about, p_values=p_values or None)
