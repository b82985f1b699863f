"""Grafana's dashboards (deploy/grafana/dashboards) from dashboard_tables.py: `.venv/bin/python tools/dashboards.py` writes them.

They are built with Grafana's own schema. A test holds the files against this, asks a real Prometheus for every expression, and
looks each metric up in the table of docs/METRICS.md.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh
from tools.dashboard_tables import BOARDS, Board, Panel

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH = 8, 8  # three panels a row


def built(board: Board) -> str:
    """Give a dashboard as Grafana reads it."""
    made = Dashboard(board.title).uid(board.uid).tags(["pushline"]).readonly().time("now-6h", "now").refresh("30s")
    made.with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for name, query in board.variables:
        values = QueryVariable(name).datasource(SOURCE).query(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        made.with_variable(values.multi(True).include_all(True).all_value(".*"))
    for title, panels in board.rows:
        made.with_row(Row(title))
        for panel in panels:
            made.with_panel(_panel(panel))
    return json.dumps(without_nothing(json.loads(JSONEncoder().encode(made.build()))), indent=2, ensure_ascii=False) + "\n"


def without_nothing(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Leave out what is null: to Grafana an option that is null is another thing than one that is not there."""
    if isinstance(value, dict):
        return {key: without_nothing(each) for key, each in value.items() if each is not None}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


def files() -> Iterator[tuple[Path, str]]:
    for board in BOARDS:
        yield FOLDER / f"{board.uid.removeprefix('pushline-')}.json", built(board)


def _panel(panel: Panel) -> timeseries.Panel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    made = timeseries.Panel().title(panel.title).unit(panel.unit).height(HEIGHT).span(WIDTH).datasource(SOURCE)
    made.legend(legend).fill_opacity(10)
    if panel.unit != "short":
        made.min(0)
    if panel.says:
        made.description(panel.says)
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        made.with_target(prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter))
    return made


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text, encoding="utf-8")
