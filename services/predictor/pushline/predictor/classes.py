"""What a classifier's first output says of each row: its likeliest class, and how likely each class is."""

import numpy as np
import numpy.typing as npt

from pushline.engine.engine import Array
from pushline.predictor.serving import Loaded

Numbers = npt.NDArray[np.float64]
MIDDLE, MIDDLE_OF_LOGITS = 0.5, 0.0  # between the two classes of a single score


def labels_of(loaded: Loaded, scores: Array) -> tuple[str, ...]:
    """Name the likeliest class of each row; nothing for what is no classifier over rows."""
    if not _are_classes(loaded, scores):
        return ()
    one_score = scores.shape[1] == 1
    middle = MIDDLE_OF_LOGITS if loaded.from_logits else MIDDLE
    classes = np.greater(scores[:, 0], middle).astype(int) if one_score else scores.argmax(axis=1)
    named = len(loaded.labels) == (2 if one_score else scores.shape[1])
    return tuple(loaded.labels[index] if named else str(index) for index in classes.tolist())


def probabilities_of(loaded: Loaded, scores: Array) -> Array | None:
    """Give (rows, classes), a model's single score as two classes; None for what is no classifier over rows."""
    if not _are_classes(loaded, scores):
        return None
    exact: Numbers = scores.astype(np.float64)
    if scores.shape[1] > 1:
        return _softmax(exact) if loaded.from_logits else exact
    second = (1 + np.tanh(exact / 2)) / 2 if loaded.from_logits else exact
    return np.concatenate([1 - second, second], axis=1)


def _are_classes(loaded: Loaded, scores: Array) -> bool:
    return loaded.task == "classification" and scores.ndim == 2  # noqa: PLR2004 - (batch, classes)


def _softmax(scores: Numbers) -> Numbers:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return shares
