"""Names of metrics that are Pushline's: no function of a repository may take one, else no gate would say whose number it is."""

import re

_OURS = re.compile(
    r"accuracy|balanced_accuracy|top_[0-9]+|top_[0-9]+_accuracy|hamming_loss|log_loss|brier|ece|mcc|kappa"
    r"|(precision|recall|f1|roc_auc|pr_auc)(_macro|_micro|_weighted)?"
    r"|rmse|mse|mae|mape|r2|quantile_loss|pinball_loss|coverage|interval_width"
    r"|leakage|duplicates|label|constant|known"
    r"|latency_.*|program_bytes|peak_memory_bytes|robust_.*",
    re.ASCII,
)


def is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None
