"""deploy/prometheus and deploy/grafana: what they ask for is there, every alert is explained and tried, real tools read them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from tools.dashboards import without_nothing
from tools.metric_tables import every_metric

from tests.contracts.panels import DASHBOARDS, expressions
from tests.contracts.promql import grouped_by, selectors

ROOT = Path(__file__).parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
CASE_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds
HISTOGRAM = ("_bucket", "_count", "_sum")


def rules() -> Iterator[dict[str, Any]]:
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"]: grouped_by(rule["expr"]) for rule in rules() if "record" in rule}
KNOWN = {
    **{shown.name: set(shown.labels) for shown in every_metric()},
    **{shown.name + end: {*shown.labels, "le"} for shown in every_metric() if shown.kind == "histogram" for end in HISTOGRAM},
    **RECORDED,
    "up": set(),
}


def problems(expr: str) -> list[str]:
    """Say what an expression asks for that nobody shows."""
    unknown = [name for name, _ in selectors(expr) if name not in KNOWN]
    labels = {
        f"{name} has no label {label}"
        for name, matched in selectors(expr)
        if name in KNOWN
        for label in matched - KNOWN[name] - OF_PROMETHEUS
    }
    shown = {label for name, _ in selectors(expr) for label in KNOWN.get(name, ())}
    return [*unknown, *labels, *(f"nothing has the label {label}" for label in grouped_by(expr) - shown - OF_PROMETHEUS)]


def test_every_expression_asks_for_metrics_and_labels_of_the_table() -> None:
    asked = {**expressions(), **{rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}}

    assert {where: found for where, expr in asked.items() if (found := problems(expr))} == {}
    assert problems("sum by (branch) (rate(pushline_stage_answer_total[5m]))") == [
        "pushline_stage_answer_total",
        "nothing has the label branch",
    ]


def test_the_dashboards_are_those_of_the_tables() -> None:
    assert {path: path.read_text() for path in (GRAFANA / "dashboards").iterdir()} == DASHBOARDS, (
        "run .venv/bin/python tools/dashboards.py"
    )


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafanas_schema_knows_all_that_a_dashboard_says(path: Path) -> None:
    register_default_plugins()
    said = json.loads(path.read_text())

    read = json.loads(JSONEncoder().encode(Dashboard.from_json(said)))

    assert without_nothing(read) == said
    strange = {**said, "panels": [{**said["panels"][1], "unheard_of": 1}]}
    assert "unheard_of" not in JSONEncoder().encode(Dashboard.from_json(strange))  # so one would have been missed above


def test_the_dashboards_are_provisioned_from_where_readme_says() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "pushline.yml").read_text())["providers"]

    assert [each["type"] for each in source] == ["prometheus"]
    assert [each["options"]["path"] for each in provider] == ["/etc/grafana/dashboards"]
    assert len({json.loads(text)["uid"] for text in DASHBOARDS.values()}) == len(DASHBOARDS)


def test_every_alert_has_a_section_in_the_runbook_and_no_other_is_there() -> None:
    sections = re.findall(r"^## (Pushline\w+)$", (ROOT / "docs" / "RUNBOOK.md").read_text(), re.MULTILINE)

    assert sorted(sections) == sorted(ALERTS)
    assert {name: rule["annotations"]["runbook"] for name, rule in ALERTS.items()} == {
        name: f"docs/RUNBOOK.md#{name.lower()}" for name in ALERTS
    }
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"page", "ticket"}


def test_every_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    tried = [
        (case["alertname"], bool(case.get("exp_alerts")))
        for path in CASE_FILES
        for group in yaml.safe_load(path.read_text())["tests"]
        for case in group["alert_rule_test"]
    ]

    assert set(tried) == {(name, fires) for name in ALERTS for fires in (True, False)}


def test_real_tools_find_nothing_wrong_with_rules_and_configurations(monitoring: Path) -> None:
    commands: list[list[str | Path]] = [
        ["promtool", "check", "rules", *RULE_FILES],
        ["promtool", "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml"],
        ["amtool", "check-config", PROMETHEUS / "alertmanager.yml"],
    ]
    for command in commands:
        done = subprocess.run([monitoring / command[0], *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_the_alerts_fire_when_they_should_and_not_before(path: Path, monitoring: Path) -> None:
    done = subprocess.run([monitoring / "promtool", "test", "rules", path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
