"""What a regression's answers add to the sums, and the metrics of these.

Targets are centred before they are squared, so that a set far from zero keeps its digits. Where there are many columns, R² is
summed as an influence, which needs one column.
"""

from dataclasses import dataclass

import numpy as np

from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.counts import mean_error, ratio
from pushline.evaluator.measures.linear import moved
from pushline.evaluator.sums import Columns, Floats, Named

MOST_COLUMNS = 16  # whose squares are summed one by one


@dataclass(frozen=True, slots=True)
class Spread:
    """Of all rows, by column: the mean of y, and the sums of squares around it and of errors."""

    centre: Floats
    total: Floats
    errors: Floats

    @property
    def r2(self) -> float:
        """NaN where a column of y is constant."""
        return float(np.mean(1 - ratio(self.errors, self.total)))


@np.errstate(all="ignore")  # what overflows is not finite, and is no number in the end
def spread(rows: Answered) -> Spread:
    centre = rows.truth.mean(axis=0)
    constant = (rows.truth == rows.truth[0]).all(axis=0)
    total = ((rows.truth - centre) ** 2).sum(axis=0)
    return Spread(centre, np.where(constant, 0.0, total), ((rows.points - rows.truth) ** 2).sum(axis=0))


@np.errstate(all="ignore")
def columns(rows: Answered, found: Spread) -> Columns:
    error = rows.points - rows.truth
    means = {
        "square": (error**2).mean(axis=1),
        "absolute": np.abs(error).mean(axis=1),
        "relative": ratio(np.abs(error), np.abs(rows.truth)).mean(axis=1),
    }
    return {
        "rows": np.ones(rows.rows),
        **means,
        **{f"{name}_square": values**2 for name, values in means.items()},
        "zeros": np.count_nonzero(rows.truth == 0, axis=1).astype(np.float64),
        **_r2_columns(rows, error, found),
        **(_quantile_columns(rows) if rows.quantiles else {}),
    }


def _r2_columns(rows: Answered, error: Floats, found: Spread) -> Columns:
    off = rows.truth - found.centre
    if rows.truth.shape[1] <= MOST_COLUMNS:
        return {"r2_errors": error**2, "r2_linear": off, "r2_squares": off**2}
    unexplained = ratio(found.errors, found.total)
    return {"r2": -((error**2 - unexplained * off**2) / found.total).mean(axis=1)}


def _quantile_columns(rows: Answered) -> Columns:
    low, high = rows.scores.min(axis=1), rows.scores.max(axis=1)
    truth = rows.truth[:, 0]
    losses = pinball(rows)
    return {
        "pinball": losses,
        "pinball_square": losses**2,
        "pinball_mean_square": losses.mean(axis=1) ** 2,
        "width_square": (high - low) ** 2,
        "covered": ((low <= truth) & (truth <= high)).astype(np.float64),
        "width": high - low,
    }


def pinball(rows: Answered) -> Floats:
    """Give each quantile's loss on each row, (rows, quantiles)."""
    under, share = rows.truth - rows.scores, np.asarray(rows.quantiles)
    return np.asarray(np.maximum(share * under, (share - 1) * under))


@np.errstate(all="ignore")
def metrics(sums: Named, found: Spread, quantiles: tuple[float, ...], count: int) -> dict[str, Floats]:
    rows = sums["rows"][:, 0]
    mean = {name: ratio(sums[name][:, 0], rows) for name in ("square", "absolute", "relative")}
    return {
        "rmse": np.sqrt(mean["square"]),
        "mae": mean["absolute"],
        "r2": _r2(sums, found, rows, count),
        "mape": np.where(sums["zeros"][:, 0] > 0, np.nan, mean["relative"]),
        **(_quantile_metrics(sums, rows, quantiles) if quantiles else {}),
    }


@np.errstate(all="ignore")
def beside(sums: Named, quantiles: tuple[float, ...]) -> dict[str, Floats]:
    """Give the standard errors of means, and of the root of one."""
    rows = sums["rows"][:, 0]
    means = {name: ratio(sums[name][:, 0], rows) for name in ("square", "absolute", "relative")}
    errors = {name: mean_error(sums[f"{name}_square"][:, 0], mean, rows) for name, mean in means.items()}
    return {
        "rmse": errors["square"] / (2 * np.sqrt(means["square"])),
        "mae": errors["absolute"],
        "mape": errors["relative"],
        **(_quantile_errors(sums, rows, quantiles) if quantiles else {}),
    }


def _quantile_errors(sums: Named, rows: Floats, quantiles: tuple[float, ...]) -> dict[str, Floats]:
    losses = ratio(sums["pinball"], rows[:, np.newaxis])
    errors = mean_error(sums["pinball_square"], losses, rows[:, np.newaxis])
    return {
        "pinball_loss": mean_error(sums["pinball_mean_square"][:, 0], losses.mean(axis=1), rows),
        "interval_width": mean_error(sums["width_square"][:, 0], ratio(sums["width"][:, 0], rows), rows),
        **{f"pinball_loss.{share:g}": errors[:, at] for at, share in enumerate(quantiles)},
    }


def _r2(sums: Named, found: Spread, rows: Floats, count: int) -> Floats:
    if "r2" in sums:
        return moved(found.r2, sums["r2"][:, 0], rows, count)
    total = sums["r2_squares"] - ratio(sums["r2_linear"] ** 2, rows[:, np.newaxis])
    return np.asarray(np.where(found.total > 0, 1 - ratio(sums["r2_errors"], total), np.nan).mean(axis=1))


def _quantile_metrics(sums: Named, rows: Floats, quantiles: tuple[float, ...]) -> dict[str, Floats]:
    losses = ratio(sums["pinball"], rows[:, np.newaxis])
    return {
        "pinball_loss": losses.mean(axis=1),
        "coverage": ratio(sums["covered"][:, 0], rows),
        "interval_width": ratio(sums["width"][:, 0], rows),
        **{f"pinball_loss.{share:g}": losses[:, at] for at, share in enumerate(quantiles)},
    }
