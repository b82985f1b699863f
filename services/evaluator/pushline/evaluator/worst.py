"""The rows that a model answers worst, and their pictures where the input is one."""

import math
from collections.abc import Sequence

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.known_metrics import MULTILABEL, REGRESSION
from pushline.evaluator.measures import Answered
from pushline.reports.findings import WorstRow
from pushline.reports.page import WORST_ROWS, Picture
from pushline.reports.png import png

MOST = 16
MOST_NAMES = 10  # labels of one row
LARGEST_SIDE = 128  # pixels; every nth of more
SMALLEST_SIDE = 8
ALIKE = 0.3  # correlation of neighbours above which a flat square of numbers is taken for a picture
GREY, COLOURS = 1, (1, 3)
LEAST_SHARE = 1e-15


def worst_rows(answered: Answered) -> tuple[WorstRow, ...]:
    """Give up to MOST rows that are wrong, those of the largest loss first; of equal ones the first."""
    loss, wrong = _losses(answered)
    candidates = np.flatnonzero(wrong)
    order = candidates[np.argsort(-loss[candidates], kind="stable")][:MOST]
    return tuple(WorstRow(row, _truth(answered, row), _said(answered, row), float(f"{loss[row]:.6g}")) for row in order.tolist())


def _losses(answered: Answered) -> tuple[Array, Array]:
    """Give each row's loss, and which rows are wrong; of a regression all that are not met to the bit."""
    rows = np.arange(answered.rows)
    if answered.task == REGRESSION:
        with np.errstate(over="ignore"):
            off = np.abs(answered.points - answered.truth).mean(axis=1)
        return np.nan_to_num(off, posinf=np.finfo(np.float64).max), off > 0
    if answered.task == MULTILABEL:
        right = np.where(answered.truth > 0, answered.scores, 1 - answered.scores)
        return -np.log(np.maximum(right, LEAST_SHARE)).mean(axis=1), ~answered.correct
    return -np.log(np.maximum(answered.scores[rows, answered.truth], LEAST_SHARE)), ~answered.correct


def _truth(answered: Answered, row: int) -> str:
    if answered.task == REGRESSION:
        return _numbers(answered.truth[row])
    if answered.task == MULTILABEL:
        return _names(answered, answered.truth[row] > 0)
    return answered.labels[int(answered.truth[row])]


def _said(answered: Answered, row: int) -> str:
    if answered.task == REGRESSION:
        return _numbers(answered.points[row])
    if answered.task == MULTILABEL:
        return _names(answered, answered.said[row])
    said = int(answered.said[row])
    return f"{answered.labels[said]} ({100 * answered.scores[row, said]:.3g} %)"


def _numbers(values: Array) -> str:
    return ", ".join(f"{value:.6g}" for value in values[:MOST_NAMES].tolist())


def _names(answered: Answered, marks: Array) -> str:
    return ", ".join(answered.labels[at] for at in np.flatnonzero(marks)[:MOST_NAMES].tolist()) or "none"


def pictures(worst: Sequence[WorstRow], rows: Array) -> list[Picture]:
    """`rows` are the input of these rows, one for each; no picture where they are none."""
    pixels = _pixels(rows)
    if pixels is None or not len(pixels):
        return []
    return [
        Picture(
            WORST_ROWS,
            f"Row {row.row}: {row.truth}, answered {row.said}",
            f"Row {row.row} of the set, {image.shape[1]} by {image.shape[0]} pixels",
            png(image.tobytes(), image.shape[1], image.shape[0], image.shape[2]),
        )
        for row, image in zip(worst, pixels, strict=True)
    ]


def _pixels(rows: Array) -> Array | None:
    """Give (rows, height, width, channels) of bytes, or None where the rows are no pictures."""
    if rows.dtype.kind not in "uif" or not rows.size or not np.isfinite(rows).all():
        return None
    shaped = _shaped(rows.astype(np.float64))
    if shaped is None:
        return None
    step = max(1, math.ceil(max(shaped.shape[1:3]) / LARGEST_SIDE))
    small = shaped[:, ::step, ::step]
    low, high = _range(small)
    return np.asarray(np.round((small - low) / (high - low) * 255), np.uint8)


def _shaped(rows: Array) -> Array | None:
    if rows.ndim == 4 and rows.shape[3] in COLOURS and min(rows.shape[1:3]) >= SMALLEST_SIDE:  # noqa: PLR2004 - a batch of pictures
        return rows
    if rows.ndim == 3 and min(rows.shape[1:]) >= SMALLEST_SIDE and _is_smooth(rows):  # noqa: PLR2004 - without channels
        return rows[..., np.newaxis]
    if rows.ndim != 2:  # noqa: PLR2004 - flat
        return None
    side = math.isqrt(rows.shape[1])
    if side < SMALLEST_SIDE or side**2 != rows.shape[1]:
        return None
    square = rows.reshape(-1, side, side)
    return square[..., np.newaxis] if square.min() >= 0 and _is_smooth(square) else None


def _is_smooth(images: Array) -> bool:
    """Say whether neighbours are alike in both directions, as in pictures and hardly in tables."""
    pairs = ((images[:, 1:], images[:, :-1]), (images[:, :, 1:], images[:, :, :-1]))
    return all(_correlation(a.reshape(-1), b.reshape(-1)) > ALIKE for a, b in pairs)


def _correlation(a: Array, b: Array) -> float:
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else 0.0


def _range(images: Array) -> tuple[float, float]:
    """Give what is black and what is white: the usual ends where all numbers lie between them."""
    low, high = float(images.min()), float(images.max())
    for end in (1.0, 255.0):
        if low >= 0 and high <= end and high > end / 4:
            return 0.0, end
    return (low, high) if high > low else (low, low + 1.0)
