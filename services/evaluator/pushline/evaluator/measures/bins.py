"""Bins of probabilities: how sure a model is, against how often it is right (calibration)."""

import numpy as np
import numpy.typing as npt

from pushline.evaluator.arrays import Array

BINS = 15  # of equal width between 0 and 1, as Guo et al. 2017 have it


def bin_of(shares: Array) -> npt.NDArray[np.int64]:
    """Say in which bin each probability is: bin i holds what is above i / BINS, up to (i + 1) / BINS; 0 is in the first."""
    return np.asarray(np.clip(np.ceil(shares * BINS).astype(np.int64) - 1, 0, BINS - 1))
