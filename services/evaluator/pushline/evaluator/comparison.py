"""Candidate against live model as plain data: differences, discordant rows, and the power of the set in words."""

import math
from collections.abc import Collection, Mapping

from pushline.evaluator.findings import Comparison, Difference, Discordant, Power
from pushline.evaluator.judged import distance, enough, show
from pushline.evaluator.known_metrics import FIRST_METRIC, is_error
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.paired import Pair, Side, difference, discordance, pairs, same_answers, side

POWER = 0.95
MOST_ROWS = 1e9  # that are named as needed


def compare(
    candidate: Side, champion: Side, drops: Mapping[str, float], confidence: float, names: Collection[str] = ()
) -> Comparison:
    """`drops` is the max_drop of each metric that has one, `names` are further metrics to compare.

    What one of the two models does not have, or what is not defined, is missing among the differences.
    """
    found = pairs(candidate, champion, list(dict.fromkeys([*names, *drops])))
    both = discordance(candidate.rows, champion.rows)
    rows = candidate.rows.rows
    return Comparison(
        differences={name: difference(pair, confidence) for name, pair in found.items()},
        same_answers=same_answers(candidate.rows, champion.rows),
        discordant=Discordant(both.only_candidate, both.only_champion, both.p_value()) if both else None,
        power=tuple(_power(name, found[name], drop, rows, confidence) for name, drop in sorted(drops.items()) if name in found),
        confidence=confidence,
    )


def over_constant(candidate: Side, constant: Answered, confidence: float) -> Difference | None:
    """The candidate minus the best constant predictor, on the task's first metric."""
    name = FIRST_METRIC[candidate.rows.task]
    pair = pairs(candidate, side(constant), [name]).get(name)
    return difference(pair, confidence) if pair else None


def _power(metric: str, pair: Pair, drop: float, rows: int, confidence: float) -> Power:
    visible = pair.visible(confidence, POWER)
    needed = rows * pair.growth(drop, confidence, POWER) if drop > 0 else math.inf
    return Power(metric, visible, POWER, _sentence(metric, visible, rows), rows, math.ceil(needed) if needed < MOST_ROWS else None)


def _sentence(metric: str, visible: float, rows: int) -> str:
    if visible == 0:
        return f"the two models answer every one of the {rows} rows alike"
    direction = "rise" if is_error(metric) else "drop"
    seen = f"this set of {rows} rows can see a {direction} of {distance(metric, visible)} in {metric} with {100 * POWER:g} %"
    return f"{seen}: so often two equally good models that differ like these pass max_drop = {show(enough(visible))}"
