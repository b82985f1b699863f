"""What the dashboards ask Prometheus for."""

import json
from collections.abc import Iterator
from typing import Any

from tools.dashboards import files

DASHBOARDS = dict(files())  # path → what is to stand there


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def as_asked(expr: str) -> str:
    """Put in what Grafana puts in."""
    return expr.replace("$__rate_interval", "1m").replace('"$model"', '".*"').replace('"$instance"', '".*"')


def expressions() -> dict[str, str]:
    """Give every expression of every dashboard, by where it stands."""
    return {
        f"{path.stem}: {panel['title']} {target['refId']}": as_asked(target["expr"])
        for path in DASHBOARDS
        for panel in panels(json.loads(path.read_text()))
        for target in panel.get("targets", ())
    }
