"""How a running line is: its broker, its store, and what each service says of itself."""

from collections.abc import Mapping

import httpx

from pushline.cli.dlq_accept import find_stops
from pushline.cli.exits import Said
from pushline.cli.line_file import LineFile
from pushline.cli.line_of_sight import OpenLine, open_line
from pushline.cli.machine_checks import Finding
from pushline.line.broker import LineError
from pushline.objects.store import StoreError

SECONDS = 5.0


def check_line(line: LineFile, environ: Mapping[str, str]) -> list[Finding]:
    findings = _servers(line, environ)
    for service, ports in line.ports.items():
        if port := ports.get("metrics") or ports.get("http"):
            findings.append(_service(service, f"http://{line.host}:{port}/readyz"))
    return findings


def _servers(line: LineFile, environ: Mapping[str, str]) -> list[Finding]:
    try:
        with open_line(line) as opened:
            broker = _broker(opened, line, environ)
            try:
                opened.store.check()
            except StoreError as error:
                return [broker, Finding("store", "missing", f"{line.store.endpoint}: {error}")]
            return [broker, Finding("store", "ok", f"{line.store.endpoint}, bucket {line.store.bucket}")]
    except Said as said:
        return [Finding("broker", "missing", said.sentence)]


def _broker(opened: OpenLine, line: LineFile, environ: Mapping[str, str]) -> Finding:
    """It answers, and where undecodable records stop a stage that is said here."""
    try:
        stops = find_stops(opened, environ)
    except LineError as error:
        return Finding("broker", "warning", f"{line.kafka}: {error}")
    if stops:
        return Finding("broker", "warning", f"{line.kafka}, everything read; {'; '.join(map(str, stops))}")
    return Finding("broker", "ok", f"{line.kafka}, everything read")


def _service(service: str, url: str) -> Finding:
    try:
        response = httpx.get(url, timeout=SECONDS)
    except httpx.HTTPError as error:
        return Finding(service, "missing", f"does not answer at {url} ({type(error).__name__})")
    if response.status_code == httpx.codes.OK:
        return Finding(service, "ok", f"ready ({url})")
    return Finding(service, "warning", f"not ready: {_problems(response)}")


def _problems(response: httpx.Response) -> str:
    try:
        problems = response.json()["problems"]
        return "; ".join(f"{part}: {problem}" for part, problem in problems.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(response.text.split())[:300]
