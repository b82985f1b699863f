"""What answers with several independent labels add to the sums, and the metrics of these."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures import counts
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Areas
from pushline.evaluator.measures.classification import SMALLEST
from pushline.evaluator.measures.linear import of_areas, summed_areas
from pushline.evaluator.sums import Columns, Floats, Named


def columns(rows: Answered, found: Areas, place: slice) -> Columns:
    """See classification.columns."""
    said = rows.said
    losses, squared = log_losses(rows), ((rows.scores - rows.truth) ** 2).mean(axis=1)
    return {
        "rows": np.ones(rows.rows),
        "true": _counted(rows.truth),
        "said": _counted(said),
        "hit": _counted(rows.truth & said),
        "exact": rows.correct.astype(np.float64),
        "log_loss": losses,
        "brier": squared,
        "log_loss_square": losses**2,
        "brier_square": squared**2,
        **of_areas(found, place),
    }


def metrics(sums: Named, labels: tuple[str, ...], found: Areas, count: int) -> dict[str, Floats]:
    rows = sums["rows"][:, 0]
    each = counts.per_class(sums)
    true, said, hit = (sums[name].sum(axis=1) for name in ("true", "said", "hit"))
    micro = counts.per_class({"true": true, "said": said, "hit": hit})
    return {
        "accuracy": counts.ratio(sums["exact"][:, 0], rows),
        "hamming_loss": counts.ratio(true + said - 2 * hit, rows * len(labels)),
        **dict(counts.averages(sums, each)),
        **{f"{name}_micro": values for name, values in micro.items()},
        **summed_areas(sums, found, rows, count),
        "log_loss": counts.ratio(sums["log_loss"][:, 0], rows),
        "brier": counts.ratio(sums["brier"][:, 0], rows),
        **counts.named(each, labels),
    }


def beside(sums: Named) -> dict[str, Floats]:
    """Give the standard errors of means."""
    rows = sums["rows"][:, 0]
    means = {name: counts.ratio(sums[name][:, 0], rows) for name in ("log_loss", "brier")}
    return {name: counts.mean_error(sums[f"{name}_square"][:, 0], mean, rows) for name, mean in means.items()}


def sides(rows: Answered) -> Iterator[tuple[Array, Array]]:
    return ((rows.truth[:, at], rows.scores[:, at]) for at in range(rows.scores.shape[1]))


def log_losses(rows: Answered) -> Floats:
    """Mean over the labels of each row."""
    shares = np.where(rows.truth, rows.scores, 1 - rows.scores)
    return np.asarray(-np.log(np.clip(shares, SMALLEST, 1 - SMALLEST)).mean(axis=1))


def _counted(marked: Array) -> sparse.csr_matrix:
    return sparse.csr_matrix(marked, dtype=np.float64)
