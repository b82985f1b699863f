"""What a model's answers are worth on a set, in numbers.

`measure` gives every metric of a task with its interval; `sums_of` the same metrics as functions of sums, for what compares models.
"""

from pushline.evaluator.measures.answered import Answered, answered, probabilities
from pushline.evaluator.measures.measure import ClassRow, Measured, measure, measured
from pushline.evaluator.measures.summed import sums_from, sums_of

__all__ = ["Answered", "ClassRow", "Measured", "answered", "measure", "measured", "probabilities", "sums_from", "sums_of"]
