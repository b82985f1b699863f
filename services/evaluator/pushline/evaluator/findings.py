"""What an evaluation finds out, as plain data. What a report holds of it lives in `pushline.reports`."""

from dataclasses import dataclass

from pushline.reports.findings import (
    Comparison,
    DataFacts,
    Difference,
    Discordant,
    Estimate,
    Estimates,
    OwnMetric,
    Power,
    SliceFound,
    Trial,
    WorstRow,
)

__all__ = [
    "CalibrationBin",
    "Comparison",
    "DataFacts",
    "Difference",
    "Discordant",
    "Estimate",
    "Estimates",
    "OwnMetric",
    "Power",
    "SliceFound",
    "Trial",
    "WorstRow",
]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers whose probability lies above `low` and up to `high`: the mean of it, and the share that came true."""

    low: float
    high: float
    count: int
    probability: float
    came_true: float
