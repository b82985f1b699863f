"""All metrics of a task as functions of sums over the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pushline.evaluator.arrays import Array
from pushline.evaluator.known_metrics import CLASSIFICATION, REGRESSION
from pushline.evaluator.measures import classification, multilabel, regression
from pushline.evaluator.measures.answered import Answered, answered
from pushline.evaluator.measures.areas import Areas, areas
from pushline.evaluator.sums import Chosen, Functions, Sums, sums_over

MOST_CURVES = 1_000  # classes or labels; of more, each one's scores would have to be sorted for too long


def sums_of(
    task: str,
    truth: Array,
    answers: Array,
    labels: Sequence[str] = (),
    *,
    from_logits: bool = False,
    quantiles: Sequence[float] = (),
) -> Sums:
    """Give the sums of a model's answers; those of two models on the same rows belong together. Raises NotJudgeable."""
    return sums_from(answered(task, truth, answers, labels, from_logits=from_logits, quantiles=quantiles))


def sums_from(rows: Answered) -> Sums:
    """Likewise, from what answered() gave."""
    return summed(rows).sums


@dataclass(frozen=True, slots=True)
class Summed:
    """`areas` has the influence of every row, which the sums have by groups."""

    sums: Sums
    areas: Areas


def summed(rows: Answered) -> Summed:
    if rows.task == REGRESSION:
        return Summed(_regression(rows), Areas(None, None))
    kind = classification if rows.task == CLASSIFICATION else multilabel
    found = areas(kind.sides(rows) if rows.scores.shape[1] <= MOST_CURVES else ())
    functions = Functions(lambda sums: kind.metrics(sums, rows.labels, found, rows.rows), kind.beside)
    sums = sums_over(rows.rows, lambda place: kind.columns(rows.only(place), found, place), functions, partial(_again, rows))
    return Summed(sums, found)


def _regression(rows: Answered) -> Sums:
    spread = regression.spread(rows)
    functions = Functions(
        lambda sums: regression.metrics(sums, spread, rows.quantiles, rows.rows),
        lambda sums: regression.beside(sums, rows.quantiles),
    )
    return sums_over(rows.rows, lambda place: regression.columns(rows.only(place), spread), functions, partial(_again, rows))


def _again(rows: Answered, chosen: Chosen) -> Sums:
    return sums_from(rows.only(chosen))
