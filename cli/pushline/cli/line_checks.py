"""How a running line is: its broker, its store, and what each service says of itself."""

import httpx

from pushline.cli.exits import Said
from pushline.cli.line_file import LineFile
from pushline.cli.line_of_sight import open_line
from pushline.cli.machine_checks import Finding
from pushline.objects.store import StoreError

SECONDS = 5.0


def check_line(line: LineFile) -> list[Finding]:
    findings = _servers(line)
    for service, ports in line.ports.items():
        if port := ports.get("metrics") or ports.get("http"):
            findings.append(_service(service, f"http://{line.host}:{port}/readyz"))
    return findings


def _servers(line: LineFile) -> list[Finding]:
    try:
        with open_line(line) as opened:
            broker = Finding("broker", "ok", f"{line.kafka}, everything read")
            try:
                opened.store.check()
            except StoreError as error:
                return [broker, Finding("store", "missing", f"{line.store.endpoint}: {error}")]
            return [broker, Finding("store", "ok", f"{line.store.endpoint}, bucket {line.store.bucket}")]
    except Said as said:
        return [Finding("broker", "missing", said.sentence)]


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
