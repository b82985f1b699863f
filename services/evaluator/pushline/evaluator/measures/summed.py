"""All metrics of a task as functions of sums over the rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from pushline.evaluator.arrays import Array
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL
from pushline.evaluator.measures import classification, multilabel, regression
from pushline.evaluator.measures.answered import Answered, answered
from pushline.evaluator.measures.areas import Areas, areas
from pushline.evaluator.sums import Chosen, Columns, Floats, Named, Sums, sums_over

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
    if rows.task == CLASSIFICATION:
        return _classes(rows, classification.columns, classification.metrics, areas(_few(rows, classification.sides)))
    if rows.task == MULTILABEL:
        return _classes(rows, multilabel.columns, multilabel.metrics, areas(_few(rows, multilabel.sides)))
    spread = regression.spread(rows)
    sums = sums_over(
        rows.rows,
        lambda place: regression.columns(rows.only(place), spread),
        lambda sums: regression.metrics(sums, spread, rows.quantiles, rows.rows),
        partial(_again, rows),
    )
    return Summed(sums, Areas(None, None))


def _few(rows: Answered, sides: Callable[[Answered], Iterator[tuple[Array, Array]]]) -> Iterable[tuple[Array, Array]]:
    return sides(rows) if rows.scores.shape[1] <= MOST_CURVES else ()


def _classes(
    rows: Answered,
    columns: Callable[[Answered, Areas, slice], Columns],
    metrics: Callable[[Named, tuple[str, ...], Areas, int], dict[str, Floats]],
    found: Areas,
) -> Summed:
    sums = sums_over(
        rows.rows,
        lambda place: columns(rows.only(place), found, place),
        lambda sums: metrics(sums, rows.labels, found, rows.rows),
        partial(_again, rows),
    )
    return Summed(sums, found)


def _again(rows: Answered, chosen: Chosen) -> Sums:
    return sums_from(rows.only(chosen))
