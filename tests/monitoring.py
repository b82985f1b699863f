"""A real Prometheus and Alertmanager for tests: Debian's packages, unpacked into the servers' cache; nothing is installed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from pushline.servers.cache import Kitchen, NotPrepared, Tell, prepared
from pushline.servers.native import LOOPBACK, NativeServer

PACKAGES = ("prometheus", "prometheus-alertmanager")
SHARED = "usr/share/prometheus/alertmanager"  # Alertmanager looks there for its template, and nowhere else
WANTED = (*(f"usr/bin/{name}" for name in ("prometheus", "promtool", "prometheus-alertmanager", "amtool")), SHARED)


def prepare_monitoring(environ: Mapping[str, str], tell: Tell) -> Path:
    """Give the folder of the programs. Needs Debian or Ubuntu with its apt, and no rights there. Raises NotPrepared."""

    def make(kitchen: Kitchen, folder: Path) -> None:
        tell("fetching Debian's Prometheus and Alertmanager, once (40 MB)")
        apt = _apt_of_its_own(kitchen)
        kitchen.run([*apt, "update"])
        kitchen.run([*apt, "download", *PACKAGES])
        for package in kitchen.folder.glob("*.deb"):
            kitchen.run(["dpkg-deb", "-x", package, kitchen.folder / "root"])
        for wanted in WANTED:
            found = kitchen.folder / "root" / wanted
            if not found.exists():
                raise NotPrepared(f"the packages {', '.join(PACKAGES)} have no {wanted}")
            found.rename(folder / found.name)

    return prepared("debian-prometheus-1", environ, tell, make)


def _apt_of_its_own(kitchen: Kitchen) -> list[str | Path]:
    """Use the machine's sources and keys, and lists of our own: the machine's may be empty, and are not ours to change."""
    for folder in ("lists/partial", "archives/partial"):
        (kitchen.folder / folder).mkdir(parents=True)
    places = {"Dir::State::lists": "lists", "Dir::Cache": "", "Dir::Cache::archives": "archives"}
    own = [word for name, folder in places.items() for word in ("-o", f"{name}={kitchen.folder / folder}")]
    return ["apt-get", "-qq", *own, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]


class Monitor(NativeServer):
    """A server of theirs. `programs` is what prepare_monitoring gave; a configuration is written as JSON, which is YAML as well."""

    port_names = ("http",)

    def __init__(self, folder: Path, programs: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self._programs, self._config = programs, config

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['http']}"

    def environ(self) -> Mapping[str, str]:
        return {"TMPDIR": str(self.folder), "GOMAXPROCS": "1"}

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=2):  # noqa: S310 - our own address
                return True
        except OSError:
            return False

    def get(self, path: str, **asked: str) -> Any:
        with urlopen(f"{self.url}{path}?{urlencode(asked)}", timeout=10) as answer:  # noqa: S310 - likewise
            return json.load(answer)


class Prometheus(Monitor):
    name = "Prometheus"

    def command(self) -> Sequence[str | Path]:
        (self.folder / "prometheus.yml").write_text(json.dumps(self._config))
        return [
            self._programs / "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={LOOPBACK}:{self.ports['http']}",
            "--log.level=warn",
        ]

    def query(self, expr: str) -> list[Any]:
        return list(self.get("/api/v1/query", query=expr)["data"]["result"])

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        told = self.get("/api/v1/query_range", query=expr, start=str(start), end=str(end), step=str(step))
        return list(told["data"]["result"])

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Give the labels of each alert that fires, by its name."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in self.get("/api/v1/alerts")["data"]["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found


class Alertmanager(Monitor):
    name = "Alertmanager"

    def command(self) -> Sequence[str | Path]:
        (self.folder / "alertmanager.yml").write_text(json.dumps(self._config))
        shared: list[str | Path] = ["--tmpfs", "/usr/share", "--ro-bind", self._programs / Path(SHARED).name, f"/{SHARED}"]
        return [
            *(which("bwrap") or "/usr/bin/bwrap", "--die-with-parent", "--dev-bind", "/", "/"),
            *shared,
            self._programs / "prometheus-alertmanager",
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address={LOOPBACK}:{self.ports['http']}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
