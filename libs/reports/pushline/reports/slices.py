"""Which slices a report shows first."""

from pushline.reports.findings import SliceFound
from pushline.reports.report import Report


def worst_slices(report: Report) -> list[tuple[str, SliceFound]]:
    """Give the slices with the metric that they are ordered by, the worst first; those without that number come last."""
    metric = _metric(report)
    if not metric:
        return []
    return [(metric, each) for each in sorted(report.slices, key=lambda one: _badness(one, metric, error=report.is_error(metric)))]


def _metric(report: Report) -> str:
    """The first metric where every slice has it, else the first that any has."""
    named = [name for each in report.slices for name in each.metrics]
    return report.first_metric if report.first_metric in named else next(iter(named), "")


def _badness(found: SliceFound, metric: str, *, error: bool) -> tuple[bool, float, str, str]:
    value = found.metrics[metric].value if metric in found.metrics else None
    number = 0.0 if value is None else (-value if error else value)
    return (value is None, number, found.by, found.value)
