"""What a model's answers are worth on a set, in numbers.

`measure` gives every metric of a task with its interval; `sums_of` the same metrics as functions of sums, for what compares models.
"""

from pushline.evaluator.measures.answered import Answered, answered, probabilities
from pushline.evaluator.measures.areas import Area, Areas
from pushline.evaluator.measures.constant import best_constant
from pushline.evaluator.measures.losses import calibration, row_losses, worst_rows
from pushline.evaluator.measures.measure import Measured, measure, measured
from pushline.evaluator.measures.summed import Summed, summed, sums_from, sums_of

__all__ = [
    "Answered",
    "Area",
    "Areas",
    "Measured",
    "Summed",
    "answered",
    "best_constant",
    "calibration",
    "measure",
    "measured",
    "probabilities",
    "row_losses",
    "summed",
    "sums_from",
    "sums_of",
    "worst_rows",
]
