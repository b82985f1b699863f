"""Every metric that is measured: for which tasks, which way is better, and what it is. docs/METRICS.md says the same, held by a test."""

from dataclasses import dataclass

CLASSIFICATION, MULTILABEL, REGRESSION = TASKS = ("classification", "multilabel", "regression")
FIRST_METRIC = {CLASSIFICATION: "accuracy", MULTILABEL: "f1_micro", REGRESSION: "rmse"}


@dataclass(frozen=True, slots=True)
class Metric:
    """`interval` names the method: score (Wilson's), delong, influence or bootstrap."""

    name: str
    tasks: tuple[str, ...]
    error: bool  # lower is better
    interval: str
    definition: str


_KINDS = (CLASSIFICATION, MULTILABEL)

METRICS = (
    Metric(
        "accuracy",
        _KINDS,
        False,
        "score",
        "Share of rows whose likeliest class is the true one; of several labels, of rows whose labels are all right.",
    ),
    Metric("balanced_accuracy", (CLASSIFICATION,), False, "bootstrap", "Mean recall of the classes that occur."),
)
ERROR_METRICS = frozenset(metric.name for metric in METRICS if metric.error)
