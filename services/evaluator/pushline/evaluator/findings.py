"""What an evaluation finds out, as plain data; it is what a report is written from, so it lives in `pushline.reports`."""

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
