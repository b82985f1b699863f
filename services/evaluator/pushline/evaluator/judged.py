"""What became of one gate, and how its numbers are written for people."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pushline.line.events import GateResult

Numbers = Mapping[str, float | None]

SLACK = 1e-9  # so that 0.955 - 0.005 is 0.95, whatever binary fractions say
CANNOT_TELL = "set_cannot_tell"
_SHARES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "top_", "roc_auc", "pr_auc", "coverage", "hamming_loss")


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate's result and, where it did not pass, the machine-readable reason."""

    result: GateResult
    reason: str


def row(
    metric: str, rule: str, threshold: float | None = None, value: float | None = None, champion: float | None = None
) -> GateResult:
    """Begin a result. Numbers that are not finite are left out: an event has no place for them."""
    return GateResult(metric, rule, _or_none(threshold), _or_none(value), _or_none(champion), passed=False, sentence="")


def no(result: GateResult, reason: str, sentence: str) -> Judged:
    return Judged(replace(result, passed=False, sentence=sentence), reason)


def yes(result: GateResult, sentence: str) -> Judged:
    return Judged(replace(result, passed=True, sentence=sentence), "")


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def usable(value: float | None) -> float:
    """Give a finite number, else NaN, which passes no comparison."""
    return value if value is not None and math.isfinite(value) else math.nan


def show(number: float) -> str:
    """Write a number for people: up to six significant digits, no trailing zeros."""
    return f"{number:.6g}"


def distance(metric: str, apart: float) -> str:
    """Write how far apart two values of a metric are: in points (hundredths) where it is a share."""
    if not metric.startswith(_SHARES):
        return f"{apart:.3g}"
    points = f"{100 * apart:.3g}"
    return f"{points} point" if points in ("1", "-1") else f"{points} points"


def enough(number: float) -> float:
    """Round up to two digits, so that what is written is enough."""
    digit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(number / digit - 1e-9) * digit


def _or_none(number: float | None) -> float | None:
    return number if finite(number) else None
