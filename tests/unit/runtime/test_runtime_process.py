"""Health, logs, the ports file. The status server and signals need sockets and processes: tests/integration/runtime."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health


def test_a_part_is_not_ready_until_it_reports() -> None:
    health = Health(starting=["line"])

    assert health.problems == {"line": "starting"}
    health.report("line", "")
    assert health.ready


def test_health_names_every_part_that_is_not_well() -> None:
    health, problem = Health(), ["broker: no answer"]
    health.report("store", "no answer")
    health.watch("line", lambda: problem[0])

    assert health.problems == {"line": "broker: no answer", "store": "no answer"}
    problem[0] = ""
    assert health.problems == {"store": "no answer"}


def test_a_log_line_is_json_with_the_names_of_ecs() -> None:
    out = io.StringIO()
    log = logs.configure("trainer", out)

    log.info("trained", run_id="r1", **{"event.id": "e1", "labels.commit": "abc"})

    line = json.loads(out.getvalue())
    assert line["message"] == "trained"
    assert line["service"]["name"] == "trainer"
    assert line["event"]["id"] == "e1"
    assert line["labels"]["commit"] == "abc"
    assert line["run_id"] == "r1"
    assert "@timestamp" in line


def test_libraries_log_as_json_too() -> None:
    out = io.StringIO()
    logs.configure("trainer", out)

    logging.getLogger("some.library").warning("odd")
    logging.getLogger("some.library").info("chatter")

    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["message"] == "odd"


def test_an_error_carries_its_trace() -> None:
    out = io.StringIO()
    log = logs.configure("trainer", out)

    try:
        int("wrong")
    except ValueError as error:
        log.defect("failed", error)

    assert "ValueError: invalid literal" in json.loads(out.getvalue())["error"]["stack_trace"]


def test_ports_are_announced_in_a_log_line_and_a_file(tmp_path: Path) -> None:
    out, path = io.StringIO(), tmp_path / "ports.json"

    ports_file.announce(logs.configure("trainer", out), {"metrics": 9101, "webhook": 8080}, path)

    line = json.loads(out.getvalue())
    assert line["message"] == "listening"
    assert line["labels"] == {"port_metrics": 9101, "port_webhook": 8080}
    assert json.loads(path.read_text()) == {"metrics": 9101, "webhook": 8080}
    assert [each.name for each in tmp_path.iterdir()] == ["ports.json"]


@pytest.fixture(autouse=True)
def _quiet_logs_afterwards() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()
