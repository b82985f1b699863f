"""Pictures of the rows that a model answers worst, where the input is one."""

import math
from collections.abc import Sequence

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.reports.findings import WorstRow
from pushline.reports.page import WORST_ROWS, Picture
from pushline.reports.png import png

LARGEST_SIDE = 128  # pixels; every nth of more
SMALLEST_SIDE = 8
ALIKE = 0.3  # correlation of neighbours above which a flat square of numbers is taken for a picture
COLOURS = (1, 3)


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
