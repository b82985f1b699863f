"""Gates: numbers against thresholds, and against the live model's numbers on the same set. Pure; a poor model is an answer.

Everything fails closed: a comparison is written so that a missing number, NaN or infinity never passes it.

Without any gate that binds, the default applies. With a live model: not worse than it by more than DEFAULT_DROP on the task's
first metric. Without one: better than the best constant predictor. For an error metric (RMSE, …) worse means higher. As its unit
is the data's own, the default's 0.01 is a share there: at most 1 % above the live model's RMSE. A configured max_drop is always
absolute: for an error metric, the most that it may rise.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pushline.evaluator.known_metrics import FIRST_METRIC, is_error
from pushline.line.events import GateResult
from pushline.objects.manifest import Gate

Numbers = Mapping[str, float | None]

DEFAULT_DROP = 0.01
SLACK = 1e-9  # so that 0.955 - 0.005 is 0.95, whatever binary fractions say


@dataclass(frozen=True, slots=True)
class Champion:
    """The live model on the same set; `problem` says why there are no numbers."""

    metrics: Numbers
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate's result and, where it did not pass, the machine-readable reason."""

    result: GateResult
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates look at. `constant` is what the best constant predictor scores on the task's first metric."""

    task: str
    candidate: Numbers
    champion: Champion | None
    constant: float | None


def judge_gates(gates: Sequence[Gate], evidence: Evidence) -> tuple[Judged, ...]:
    judged = [answer for gate in gates for answer in _judge(gate, evidence)]
    if not any(_binds(answer, evidence) for answer in judged):
        judged.append(_default(evidence))
    return tuple(judged)


def _binds(answer: Judged, evidence: Evidence) -> bool:
    return answer.result.rule != "max_drop" or evidence.champion is not None


def _judge(gate: Gate, evidence: Evidence) -> Iterator[Judged]:
    problem = _problem(gate, evidence.candidate)
    if problem is not None:
        yield problem
        return
    value = evidence.candidate[gate.metric]
    if gate.minimum is not None:
        yield _bound(gate.metric, "min", gate.minimum, value)
    if gate.maximum is not None:
        yield _bound(gate.metric, "max", gate.maximum, value)
    if gate.max_drop is not None:
        yield _max_drop(gate.metric, gate.max_drop, value, evidence.champion)


def _problem(gate: Gate, candidate: Numbers) -> Judged | None:
    """Say why a gate cannot be applied at all."""
    if gate.metric not in candidate:
        known = ", ".join(sorted(name for name in candidate if "." not in name))
        return _no(_result(gate.metric, "known"), "unknown_gate", f"gate {gate.metric} is unknown; known here: {known}")
    if gate.parameters:
        extra = ", ".join(sorted(gate.parameters))
        return _no(_result(gate.metric, "known"), "unknown_gate", f"gate {gate.metric} takes no {extra}")
    numbers = [number for number in (gate.minimum, gate.maximum, gate.max_drop) if number is not None]
    if not numbers:
        sentence = f"gate {gate.metric} has no number; give min, max or max_drop"
        return _no(_result(gate.metric, "known"), "gate_without_number", sentence)
    if not all(math.isfinite(number) for number in numbers):
        return _no(_result(gate.metric, "known"), "gate_not_finite", f"gate {gate.metric} has a threshold that is no finite number")
    return None


def _bound(metric: str, rule: str, threshold: float, value: float | None) -> Judged:
    result, number = _result(metric, rule, threshold, value), usable(value)
    if math.isnan(number):
        return _no(result, "not_finite", f"{metric} is missing or not finite; the gate asks for {rule} {show(threshold)}")
    if rule == "min" and not number >= threshold - SLACK:
        return _no(result, "below_gate", f"{metric} {show(number)} is under the gate's minimum {show(threshold)}")
    if rule == "max" and not number <= threshold + SLACK:
        return _no(result, "above_gate", f"{metric} {show(number)} is above the gate's maximum {show(threshold)}")
    return _yes(result, f"{metric} {show(number)} keeps to {rule} {show(threshold)}")


def _max_drop(metric: str, threshold: float, value: float | None, champion: Champion | None) -> Judged:
    result, number = _result(metric, "max_drop", threshold, value), usable(value)
    if math.isnan(number):
        return _no(result, "not_finite", f"{metric} is missing or not finite; the gate asks for max_drop {show(threshold)}")
    if champion is None:
        return _yes(result, f"no model is live yet, so {metric} {show(number)} has nothing to drop from")
    if champion.problem:
        return _no(result, "champion_not_comparable", f"{metric} has nothing to be compared with: {champion.problem}")
    return _against(metric, threshold, number, usable(champion.metrics.get(metric)))


def _against(metric: str, threshold: float, value: float, before: float) -> Judged:
    result = _result(metric, "max_drop", threshold, value, before)
    if math.isnan(before):
        return _no(result, "champion_not_comparable", f"the live model's {metric} on this set is missing or not finite")
    worse, word = (value - before, "above") if is_error(metric) else (before - value, "under")
    numbers = f"{metric} {show(value)} {_compared(worse, word)} the live model's {show(before)} on the same set"
    allowed = f"{numbers}; the gate allows {show(threshold)}"
    if not worse <= threshold + SLACK:
        return _no(result, "worse_than_champion", allowed)
    return _yes(result, allowed if worse > SLACK else numbers)


def _compared(worse: float, word: str) -> str:
    if worse > SLACK:
        return f"is {show(worse)} {word}"
    return "is better than" if worse < -SLACK else "equals"


def _default(evidence: Evidence) -> Judged:
    metric = FIRST_METRIC[evidence.task]
    if evidence.champion is None:
        return _better_than_constant(metric, evidence)
    before = usable(evidence.champion.metrics.get(metric))
    allowed = DEFAULT_DROP * before if is_error(metric) and not math.isnan(before) else DEFAULT_DROP
    return _max_drop(metric, allowed, evidence.candidate.get(metric), evidence.champion)


def _better_than_constant(metric: str, evidence: Evidence) -> Judged:
    value, constant = usable(evidence.candidate.get(metric)), usable(evidence.constant)
    result = _result(metric, "better_than_constant", constant, value)
    if math.isnan(value) or math.isnan(constant):
        return _no(result, "not_finite", f"{metric} is missing or not finite")
    better = value < constant if is_error(metric) else value > constant
    numbers = f"{metric} {show(value)}; the best constant predictor has {show(constant)}"
    if not better:
        return _no(result, "not_better_than_constant", f"the model is no better than a constant: {numbers}")
    return _yes(result, f"the model is better than a constant: {numbers}")


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def usable(value: float | None) -> float:
    """Give a finite number, else NaN, which passes no comparison."""
    return value if value is not None and math.isfinite(value) else math.nan


def show(number: float) -> str:
    """Write a number for people: up to six significant digits, no trailing zeros."""
    return f"{number:.6g}"


def _result(
    metric: str, rule: str, threshold: float | None = None, value: float | None = None, champion: float | None = None
) -> GateResult:
    return GateResult(metric, rule, _or_none(threshold), _or_none(value), _or_none(champion), passed=False, sentence="")


def _or_none(number: float | None) -> float | None:
    return number if finite(number) else None


def _no(result: GateResult, reason: str, sentence: str) -> Judged:
    return Judged(_with(result, passed=False, sentence=sentence), reason)


def _yes(result: GateResult, sentence: str) -> Judged:
    return Judged(_with(result, passed=True, sentence=sentence), "")


def _with(result: GateResult, *, passed: bool, sentence: str) -> GateResult:
    return replace(result, passed=passed, sentence=sentence)
