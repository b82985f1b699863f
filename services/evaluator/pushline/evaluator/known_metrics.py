"""Every metric that is measured: of which tasks, which way is better, what it is, and how its interval is made.

docs/METRICS.md shows this table. A name with a dot is one class's, one label's or one quantile's own: recall.cat, pinball_loss.0.9.
"""

from dataclasses import dataclass

CLASSIFICATION, MULTILABEL, REGRESSION = TASKS = ("classification", "multilabel", "regression")
QUANTILES = "regression with quantiles"
FIRST_METRIC = {CLASSIFICATION: "accuracy", MULTILABEL: "f1_micro", REGRESSION: "rmse"}

SCORE = "score (Wilson)"  # a proportion of independent rows
DELONG = "DeLong, as a score"
INFLUENCE = "influence, as a score"
SPREAD = "bootstrap, as a score"  # the bootstrap's variance in the score interval
STUDENT = "bootstrap-t"
BOOTSTRAP = "bootstrap"  # percentiles
GAPS = "bootstrap, by bins"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    tasks: tuple[str, ...]
    interval: str
    definition: str
    error: bool = False  # lower is better
    each: bool = False  # every class, label or quantile has its own too, as name.label


_C, _M, _R, _Q = (CLASSIFICATION,), (MULTILABEL,), (REGRESSION,), (QUANTILES,)
_B = (CLASSIFICATION, MULTILABEL)

METRICS = (
    Metric("accuracy", _C, SCORE, "share of rows whose likeliest class is the true one; of equally likely ones the first counts"),
    Metric("accuracy", _M, SCORE, "share of rows whose labels are all right (subset accuracy); a label is said above one half"),
    Metric("balanced_accuracy", _C, SPREAD, "mean recall of the classes that y has"),
    Metric(
        "precision", _B, SPREAD, "mean over classes of precision: the share that is of the class, of what is said to be", each=True
    ),
    Metric("precision_weighted", _B, SPREAD, "likewise, weighted by the rows of each class"),
    Metric("precision_micro", _M, SPREAD, "of all labels that are said, the share that is there"),
    Metric("recall", _B, SPREAD, "mean over classes of recall: the share that is said to be of the class, of what is", each=True),
    Metric(
        "recall_weighted", _B, SPREAD, "likewise, weighted by the rows of each class; without several labels it equals accuracy"
    ),
    Metric("recall_micro", _M, SPREAD, "of all labels that are there, the share that is said"),
    Metric("f1", _B, SPREAD, "mean over classes of F1, the harmonic mean of precision and recall", each=True),
    Metric("f1_weighted", _B, SPREAD, "likewise, weighted by the rows of each class"),
    Metric("f1_micro", _M, SPREAD, "harmonic mean of precision_micro and recall_micro"),
    Metric("hamming_loss", _M, SPREAD, "share of single labels, over all rows, that are wrong", error=True),
    Metric("roc_auc", _C, DELONG, "area under the ROC curve: the second of two classes', else the mean of each against the rest"),
    Metric("roc_auc", _M, DELONG, "mean over labels of the area under the ROC curve"),
    Metric("pr_auc", _C, INFLUENCE, "average precision: the second of two classes', else the mean of each against the rest"),
    Metric("pr_auc", _M, INFLUENCE, "mean over labels of the average precision"),
    Metric("log_loss", _C, STUDENT, "mean of -ln p, p being the true class's probability", error=True),
    Metric("log_loss", _M, STUDENT, "mean over rows and labels of -ln p, p being the probability of what is true", error=True),
    Metric(
        "brier",
        _C,
        STUDENT,
        "mean of (p - y)², y being 0 or 1: the second of two classes', else the sum over the classes",
        error=True,
    ),
    Metric("brier", _M, STUDENT, "mean over rows and labels of (1 - p)², p being the probability of what is true", error=True),
    Metric("ece", _C, GAPS, "expected calibration error, in 15 bins of equal width of the likeliest class's p", error=True),
    Metric("top_3", _C, SCORE, "share of rows whose true class is among the three likeliest; where there are more classes"),
    Metric("top_5", _C, SCORE, "share of rows whose true class is among the five likeliest; where there are more classes"),
    Metric("rmse", _R, STUDENT, "square root of the mean squared error, over rows and columns", error=True),
    Metric("mae", _R, STUDENT, "mean absolute error, over rows and columns", error=True),
    Metric("r2", _R, BOOTSTRAP, "1 - squared errors / squares around y's mean; mean over columns; none where y is constant"),
    Metric("mape", _R, STUDENT, "mean of |error / y|, so that 0.1 is 10 %; none where y has a zero", error=True),
    Metric("pinball_loss", _Q, STUDENT, "mean over rows and quantiles of the quantile's loss", error=True, each=True),
    Metric("coverage", _Q, SCORE, "share of rows whose y is between the outermost quantiles' answers; take both min and max"),
    Metric("interval_width", _Q, STUDENT, "mean distance of the outermost quantiles' answers", error=True),
)
ERROR_METRICS = frozenset(metric.name for metric in METRICS if metric.error)
INTERVALS = {metric.name: metric.interval for metric in METRICS}


def is_error(metric: str) -> bool:
    """Say whether lower is better, of a class's own figure too."""
    return metric.partition(".")[0] in ERROR_METRICS
