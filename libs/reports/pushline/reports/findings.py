"""What an evaluation finds out, as plain data: the report is written from these and from nothing else.

None stands for a number that is missing or not defined. Such a number passes no gate.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its two-sided confidence interval; both ends are None where none can be given."""

    value: float | None
    low: float | None = None
    high: float | None = None


Estimates = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one metric on the same rows, candidate minus live model. `low` and `high` are one-sided bounds, each at the confidence."""

    value: float | None
    low: float | None
    high: float | None
    method: str  # same_answers | score (Tango's) | delong | bootstrap


@dataclass(frozen=True, slots=True)
class Discordant:
    """Rows on which one of two classifiers is right alone, and the exact McNemar test of them (two-sided)."""

    only_candidate: int
    only_champion: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Power:
    """What this set can see: two models of equal worth pass a `max_drop` of `visible_drop` with the probability `power`."""

    metric: str
    visible_drop: float | None
    power: float
    sentence: str
    rows: int = 0  # of the set
    rows_needed: int | None = None  # so that they pass the gate's own max_drop; None where no number of rows would do


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate and live model on the same rows."""

    differences: Mapping[str, Difference]
    same_answers: bool  # on every row, to the bit
    discordant: Discordant | None  # of classifiers
    power: tuple[Power, ...] = ()  # of each metric that has a max_drop
    confidence: float = 0.95  # of each bound


@dataclass(frozen=True, slots=True)
class SliceFound:
    """Some rows of the set, and the metrics on them alone."""

    by: str  # as pushline.toml names it: label, a column, a named predicate
    value: str  # which rows
    rows: int
    metrics: Estimates
    champion: Mapping[str, float | None] | None = None
    differences: Mapping[str, Difference] | None = None
    p_values: Mapping[str, float] | None = None  # Holm-corrected, of a drop beyond what the gate allows


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What was looked at before any metric. Shares are of the set's rows."""

    rows: int
    class_counts: Mapping[str, int]
    duplicates: float | None  # rows that stand in the set more than once
    leakage: float | None  # rows that the training was given too; None where that is not known
    leakage_known_rows: int  # rows of the training that were looked at
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """The production predictor, asked golden requests about the candidate over its gRPC door."""

    requests: int
    rows: int
    max_abs_difference: float | None  # from the engine's own answers
    signature: str  # first | same | compatible | breaking | unknown, where nothing can be read about the live model
    changes: tuple[str, ...] = ()  # of the signature, in words


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """A number of the repository's own making, computed by its code on labels and answers."""

    name: str
    function: str  # python:module:function
    value: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class WorstRow:
    """A row that the model answers worst; its picture, where the input is one, goes into the page alone."""

    row: int
    truth: str
    said: str
    loss: float
