"""A line that a real Prometheus scrapes, with the shipped rules in short, and a real Alertmanager that tells a receiver."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.faults.processes import FaultLine
from tests.monitoring import Alertmanager, Prometheus
from tests.waiting import until

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"
SCRAPE = "1s"
ALERT_SECONDS = 60.0
# What takes hours in a house takes seconds here; the rest of each rule is the shipped one.
SHORT: Mapping[str, Mapping[str, str]] = {
    "PushlineLineStuck": {"> 900": "> 3"},
    "PushlineDeadLetters": {"offset 1h": "offset 5m"},
    "PushlineVerdictsFailing": {">= 3": ">= 1"},
}


@dataclass
class Receiver:
    """Somebody who is told of alerts."""

    told: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


@dataclass(frozen=True)
class Watched:
    line: FaultLine
    prometheus: Prometheus
    receiver: Receiver
    began: float = field(default_factory=time.time)

    def fires(self, alert: str, **labels: str) -> bool:
        found = self.prometheus.firing().get(alert, ())
        return any(labels.items() <= each.items() for each in found)

    def fired(self, alert: str, **labels: str) -> None:
        until(lambda: self.fires(alert, **labels), ALERT_SECONDS, f"{alert} {labels}")

    def value(self, expr: str) -> float:
        """Give the only value of an expression, 0 where there is none."""
        found = self.prometheus.query(expr)
        return float(found[0]["value"][1]) if found else 0.0

    def has_numbers(self, expr: str) -> bool:
        """Say whether a panel with this expression would have shown a number since the beginning."""
        found = self.prometheus.query_range(expr, self.began, time.time(), 1)
        return any(value != "NaN" for series in found for _, value in series["values"])


@contextmanager
def watching(folder: Path, line: FaultLine, programs: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver().listening())
        manager = stack.enter_context(Alertmanager(folder / "alertmanager", programs, _told_to(receiver)))
        rules = [_shortened(path, folder) for path in sorted((DEPLOYED / "rules").glob("*.yml"))]
        config = _scraped(line, manager, rules)
        prometheus = stack.enter_context(Prometheus(folder / "prometheus", programs, config))
        yield Watched(line, prometheus, receiver)


def _shortened(path: Path, folder: Path) -> Path:
    rules = yaml.safe_load(path.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = "2s"
        for long, short in SHORT.get(rule.get("alert", ""), {}).items():
            assert long in rule["expr"], rule
            rule["expr"] = rule["expr"].replace(long, short)
    made = folder / path.name
    made.write_text(yaml.safe_dump(rules))
    return made


def _scraped(line: FaultLine, manager: Alertmanager, rules: list[Path]) -> dict[str, Any]:
    """Give the shipped configuration with this line's addresses, and quicker."""
    config: dict[str, Any] = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    config["rule_files"] = [str(path) for path in rules]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager.url.removeprefix("http://")]
    for job in config["scrape_configs"]:
        ports = line.services[job["job_name"].removeprefix("pushline-")].child.ports
        job["static_configs"][0]["targets"] = [f"127.0.0.1:{ports.get('metrics') or ports['http']}"]
    return config


def _told_to(receiver: Receiver) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((DEPLOYED / "alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "100ms", "group_interval": "1s"}
    config["receivers"][0]["webhook_configs"][0]["url"] = f"http://127.0.0.1:{receiver.port}/"
    return config
