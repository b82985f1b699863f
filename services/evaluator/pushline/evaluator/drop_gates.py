"""max_drop: is the candidate at most so much worse than the live model, as far as this set can tell? And the same of a constant.

A test of non-inferiority with the margin `max_drop`: it passes where the one-sided bound of the difference shows that the drop is
smaller than the margin, is refused where the other bound shows that it is larger, and is left open in between, with a sentence that
says what this set can see and what would settle it. The same answers to the bit are the same model, and pass.
"""

import math
from dataclasses import dataclass

from pushline.evaluator.findings import Comparison, Difference
from pushline.evaluator.judged import CANNOT_TELL, Judged, Numbers, distance, enough, no, row, show, usable, yes
from pushline.evaluator.known_metrics import is_error

DEFAULT_DROP = 0.01


@dataclass(frozen=True, slots=True)
class Champion:
    """The live model on the same set; `problem` says why there are no numbers.

    `broken_off`: it cannot be held against this run because inputs, outputs or labels changed, and somebody allowed that.
    """

    metrics: Numbers
    problem: str = ""
    broken_off: bool = False


@dataclass(frozen=True, slots=True)
class _Worse:
    """How much worse than the other one: less than 0 where it is better. The bounds are one-sided."""

    value: float
    least: float
    most: float


def allowed_by_default(metric: str, before: Numbers) -> float:
    value = usable(before.get(metric))
    return DEFAULT_DROP * value if is_error(metric) and not math.isnan(value) else DEFAULT_DROP


def judge_drop(metric: str, allowed: float, value: float | None, champion: Champion | None, found: Comparison | None) -> Judged:
    result, number = row(metric, "max_drop", allowed, value), usable(value)
    if math.isnan(number):
        return no(result, "not_finite", f"{metric} is missing or not finite; the gate asks for max_drop {show(allowed)}")
    if champion is None:
        return yes(result, f"no model is live yet, so {metric} {show(number)} has nothing to drop from")
    if champion.problem:
        return no(result, "champion_not_comparable", f"{metric} has nothing to be compared with: {champion.problem}")
    return _against(metric, allowed, number, usable(champion.metrics.get(metric)), found)


def _against(metric: str, allowed: float, value: float, before: float, found: Comparison | None) -> Judged:
    result = row(metric, "max_drop", allowed, value, before)
    if math.isnan(before):
        return no(result, "champion_not_comparable", f"the live model's {metric} on this set is missing or not finite")
    worse = _worse(metric, found.differences.get(metric) if found else None)
    said = f"{metric} {show(value)} {_compared(metric, value, before)} the live model's {show(before)} on the same set"
    if found is None or worse is None:
        return no(result, CANNOT_TELL, f"{said}; how sure that is cannot be said, as the metric has no spread on this set")
    if found.same_answers and allowed >= 0:
        return yes(result, f"{said}: the two models answer every row alike")
    word, least, most = _direction(metric), distance(metric, worse.least), distance(metric, worse.most)
    allows, sure = f"the gate allows {distance(metric, allowed)}", f"({100 * found.confidence:g} % sure)"
    if worse.most < allowed:
        kept = f"any {word} is under {most}" if worse.most > 0 else "it is better"
        return yes(result, f"{said}; {kept} {sure}, {allows}")
    if worse.least > allowed:
        return no(result, "worse_than_champion", f"{said}; the {word} is above {least} {sure}, {allows}")
    unsure = f"{said}, but the {word} may be as large as {most} and {allows}"
    return no(result, CANNOT_TELL, f"{unsure}: this set cannot tell; {_settled(metric, found, allowed)}")


def judge_over_constant(metric: str, value: float | None, constant: float | None, difference: Difference | None) -> Judged:
    number, least = usable(value), usable(constant)
    result = row(metric, "better_than_constant", least, number)
    if math.isnan(number) or math.isnan(least):
        return no(result, "not_finite", f"{metric} is missing or not finite")
    numbers = f"{metric} {show(number)}; the best constant predictor has {show(least)}"
    if not (number < least if is_error(metric) else number > least):
        return no(result, "not_better_than_constant", f"the model is no better than a constant: {numbers}")
    worse = _worse(metric, difference)
    if worse is None or not worse.most < 0:
        unsure = f"the model may be no better than a constant, this set cannot tell: {numbers}; more rows would settle it"
        return no(result, CANNOT_TELL, unsure)
    return yes(result, f"the model is better than a constant: {numbers}")


def _worse(metric: str, difference: Difference | None) -> _Worse | None:
    if difference is None:
        return None
    numbers = usable(difference.value), usable(difference.low), usable(difference.high)
    if any(map(math.isnan, numbers)):
        return None
    value, low, high = numbers
    return _Worse(value, low, high) if is_error(metric) else _Worse(-value, -high, -low)


def _compared(metric: str, value: float, before: float) -> str:
    if value == before:
        return "equals"
    if is_error(metric) is (value < before):
        return "is better than"
    return f"is {distance(metric, abs(value - before))} {'above' if is_error(metric) else 'under'}"


def _direction(metric: str) -> str:
    return "rise" if is_error(metric) else "drop"


def _settled(metric: str, found: Comparison, allowed: float) -> str:
    power = next((each for each in found.power if each.metric == metric), None)
    if power is None or power.visible_drop is None:
        return "more rows would settle it"
    visible = f"a {_direction(metric)} of {distance(metric, power.visible_drop)}"
    seen = f"its {power.rows} rows can see {visible} with {100 * power.power:g} %"
    if power.visible_drop <= allowed:
        return f"{seen}, so this one may be real; more rows would settle it"
    rows = f"about {power.rows_needed} rows or " if power.rows_needed else ""
    return f"{seen}; {rows}max_drop = {show(enough(power.visible_drop))} would settle it for models of equal worth"
