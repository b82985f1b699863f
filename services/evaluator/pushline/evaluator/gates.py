"""Gates: numbers against thresholds, and against the live model's numbers on the same set. Pure; a poor model is an answer.

Everything fails closed: a comparison is written so that a missing number, NaN or infinity never passes it, and a gate that asks for
what is not known here refuses the model.

Without any gate that binds, the default applies. With a live model: not worse than it by more than DEFAULT_DROP on the task's
first metric. Without one: better than the best constant predictor. For an error metric (RMSE, …) worse means higher. As its unit
is the data's own, the default's 0.01 is a share there: at most 1 % above the live model's RMSE. A configured max_drop is always
absolute: for an error metric, the most that it may rise. Gates on slices against the live model, on what serving costs, on the data
and on a number of the repository's own making bind nothing: none of them shows that the model is good.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pushline.evaluator.cost_gates import COSTS, Costs, judge_cost
from pushline.evaluator.data_gates import DATA, judge_data, judge_leakage
from pushline.evaluator.drop_gates import Champion, allowed_by_default, judge_drop, judge_over_constant
from pushline.evaluator.findings import Comparison, DataFacts, Difference, Estimate, Estimates, SliceFound
from pushline.evaluator.judged import CANNOT_TELL, SLACK, Judged, Numbers, no, row, show, usable, yes
from pushline.evaluator.known_metrics import FIRST_METRIC, is_error
from pushline.evaluator.slice_gates import judge_slice_drop, judge_slice_minimum
from pushline.objects.manifest import Gate

__all__ = ["Champion", "Evidence", "Judged", "Numbers", "drops_of", "is_error", "judge_gates", "show"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates look at. `constant` is what the best constant predictor scores on the task's first metric."""

    task: str
    candidate: Estimates
    champion: Champion | None
    constant: float | None
    over_constant: Difference | None = None  # candidate minus constant
    comparison: Comparison | None = None
    slices: tuple[SliceFound, ...] = ()
    facts: DataFacts | None = None
    costs: Costs = field(default_factory=dict)
    own: Numbers = field(default_factory=dict)  # numbers of the repository's own making


def judge_gates(gates: Sequence[Gate], evidence: Evidence) -> tuple[Judged, ...]:
    judged = [answer for gate in gates for answer in _judge(gate, evidence)]
    if not any(_binds(answer, evidence) for answer in judged):
        judged.append(_default(evidence))
    if not any(gate.metric == "leakage" for gate in gates):
        judged.extend(judge_leakage(evidence.facts))
    return tuple(judged)


def drops_of(gates: Sequence[Gate], task: str, before: Numbers) -> dict[str, float]:
    """Give the max_drop of each metric that has one; the default's, where none binds. `before` is the live model's."""
    drops = {gate.metric: gate.max_drop for gate in gates if gate.max_drop is not None and math.isfinite(gate.max_drop)}
    first = FIRST_METRIC[task]
    return {first: allowed_by_default(first, before)} | drops


def _binds(answer: Judged, evidence: Evidence) -> bool:
    result = answer.result
    if result.metric in (*COSTS, *DATA) or result.metric in evidence.own:
        return False
    return result.rule in ("known", "min", "max", "slice_min") or (result.rule == "max_drop" and evidence.champion is not None)


def _judge(gate: Gate, evidence: Evidence) -> Iterator[Judged]:
    problem = _problem(gate, evidence)
    if problem is not None:
        yield problem
    elif gate.metric in COSTS:
        yield from judge_cost(gate, evidence.costs, live=evidence.champion is not None)
    elif gate.metric in DATA:
        yield judge_data(gate, evidence.facts)
    else:
        yield from _judge_metric(gate, evidence)


def _judge_metric(gate: Gate, evidence: Evidence) -> Iterator[Judged]:
    found = evidence.candidate.get(gate.metric) or Estimate(evidence.own.get(gate.metric))
    if gate.minimum is not None:
        yield _bound(gate, "min", gate.minimum, found)
    if gate.maximum is not None:
        yield _bound(gate, "max", gate.maximum, found)
    if gate.max_drop is not None:
        yield judge_drop(gate.metric, gate.max_drop, found.value, evidence.champion, evidence.comparison)
    if gate.slice_minimum is not None:
        yield from judge_slice_minimum(gate.metric, gate.slice_minimum, evidence.slices)
    if gate.slice_max_drop is not None:
        yield from judge_slice_drop(gate.metric, gate.slice_max_drop, evidence.slices, evidence.champion)


_NUMBERS: Mapping[str, Callable[[Gate], float | None]] = {
    "min": lambda gate: gate.minimum,
    "max": lambda gate: gate.maximum,
    "max_drop": lambda gate: gate.max_drop,
    "slice_min": lambda gate: gate.slice_minimum,
    "slice_max_drop": lambda gate: gate.slice_max_drop,
    "tolerance": lambda gate: gate.tolerance,
}


def _takes(metric: str, evidence: Evidence) -> tuple[str, ...]:
    """Which bounds a gate may name."""
    if metric in COSTS:
        return ("max", "max_drop", "tolerance")
    if metric in DATA:
        return ("max",)
    if metric in evidence.candidate:
        return ("min", "max", "max_drop", "slice_max_drop") if is_error(metric) else (*_NUMBERS,)[:5]
    return ("min", "max") if metric in evidence.own else ()


def _problem(gate: Gate, evidence: Evidence) -> Judged | None:
    """Say why a gate cannot be applied at all."""
    result, takes = row(gate.metric, "known"), _takes(gate.metric, evidence)
    if not takes:
        known = ", ".join(sorted(name for name in (*evidence.candidate, *evidence.own) if "." not in name))
        return no(result, "unknown_gate", f"gate {gate.metric} is unknown; known here: {known}")
    given = {name: number for name, take in _NUMBERS.items() if (number := take(gate)) is not None}
    extra = sorted({*gate.parameters, *given} - {*takes})
    if gate.sure and not {"min", "max"} & {*given}:
        extra.append("sure without min or max")
    if extra:
        return no(result, "unknown_gate", f"gate {gate.metric} takes no {', '.join(extra)}; it takes {', '.join(takes)}")
    if not {*given} - {"tolerance"}:
        wanted = " or ".join(filter(None, (", ".join(takes[:-1]), takes[-1])))
        return no(result, "gate_without_number", f"gate {gate.metric} has no number; give {wanted}")
    if not all(math.isfinite(number) for number in given.values()):
        return no(result, "gate_not_finite", f"gate {gate.metric} has a threshold that is no finite number")
    return None


def _bound(gate: Gate, rule: str, threshold: float, found: Estimate) -> Judged:
    metric, number = gate.metric, usable(found.value)
    result = row(metric, rule, threshold, found.value)
    if math.isnan(number):
        return no(result, "not_finite", f"{metric} is missing or not finite; the gate asks for {rule} {show(threshold)}")
    if not _keeps(rule, threshold, number):
        side, bound = ("under", "minimum") if rule == "min" else ("above", "maximum")
        reason = "below_gate" if rule == "min" else "above_gate"
        return no(result, reason, f"{metric} {show(number)} is {side} the gate's {bound} {show(threshold)}")
    if gate.sure:
        return _surely(gate, rule, threshold, found)
    return yes(result, f"{metric} {show(number)} keeps to {rule} {show(threshold)}")


def _surely(gate: Gate, rule: str, threshold: float, found: Estimate) -> Judged:
    """Say whether the whole interval of a number that keeps to its bound does so too."""
    result, low, high = row(gate.metric, rule, threshold, found.value), usable(found.low), usable(found.high)
    if math.isnan(low) or math.isnan(high):
        return no(
            result, "not_finite", f"{gate.metric} has no confidence interval, so nothing is sure; the gate asks for sure = true"
        )
    said = f"{gate.metric} {show(usable(found.value))} lies between {show(low)} and {show(high)}"
    if not _keeps(rule, threshold, low if rule == "min" else high):
        return no(result, CANNOT_TELL, f"{said}, so {rule} {show(threshold)} is kept, but not for sure, as the gate asks")
    return yes(result, f"{said}, all of which keeps to {rule} {show(threshold)}")


def _keeps(rule: str, threshold: float, number: float) -> bool:
    return number >= threshold - SLACK if rule == "min" else number <= threshold + SLACK


def _default(evidence: Evidence) -> Judged:
    metric = FIRST_METRIC[evidence.task]
    value = evidence.candidate.get(metric, Estimate(None)).value
    if evidence.champion is None or evidence.champion.broken_off:
        return judge_over_constant(metric, value, evidence.constant, evidence.over_constant)
    allowed = allowed_by_default(metric, evidence.champion.metrics)
    return judge_drop(metric, allowed, value, evidence.champion, evidence.comparison)
