"""What each service of an embedded line is told, by environment, and where it works: everything in the state folder."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pushline.cli.line_file import LineFile, StoreAccess
from pushline.cli.supervisor import Service
from pushline.servers.embedded import KAFKA_OPTIONS

HOST = "127.0.0.1"
KAFKA = dict(KAFKA_OPTIONS)
STAGES = ("trainer", "evaluator", "deployer")
SHARING = (*STAGES, "auditor")  # whose replicas divide the models

# service → its ports: setting → default
PORTS: dict[str, dict[str, int]] = {
    "trainer": {"PUSHLINE_WEBHOOK_PORT": 8080, "PUSHLINE_METRICS_PORT": 9101},
    "evaluator": {"PUSHLINE_METRICS_PORT": 9102},
    "deployer": {"PUSHLINE_METRICS_PORT": 9103},
    "predictor": {"PUSHLINE_GRPC_PORT": 8001, "PUSHLINE_REST_PORT": 8000, "PUSHLINE_METRICS_PORT": 9104},
    "auditor": {"PUSHLINE_HTTP_PORT": 8088},
}


@dataclass(frozen=True, slots=True)
class LineToServe:
    bootstrap: str
    store: StoreAccess
    emit_secret: str = field(repr=False)
    file: Path  # the operator's
    folder: Path  # of the line's state
    kafka_options: Mapping[str, str] = field(default_factory=lambda: KAFKA)
    topic_prefix: str = ""
    named_replicas: bool = False  # a killed service that comes back is the same member of its group


def services_of(line: LineToServe, environ: Mapping[str, str], *, free_ports: bool) -> list[Service]:
    """Make their folders. `environ` comes through, but for what the line itself decides."""
    for name in ("logs", "ports", "work"):
        (line.folder / name).mkdir()
    return [_service(name, line, environ, free_ports=free_ports) for name in PORTS]


def _service(name: str, line: LineToServe, environ: Mapping[str, str], *, free_ports: bool) -> Service:
    folder = line.folder.resolve()
    work, ports_file = folder / "work" / name, folder / "ports" / f"{name}.json"
    work.mkdir()
    ours = {
        **_common(line),
        **{setting: "0" if free_ports else str(default) for setting, default in PORTS[name].items()},
        "PUSHLINE_PORTS_FILE": str(ports_file),
        "PUSHLINE_WORK": str(work),
        "PUSHLINE_CACHE": str(work / "cache"),
        "TMPDIR": str(work),
        **({"PUSHLINE_SNAPSHOTS": str(work / "snapshots")} if name in STAGES else {}),
        **({"PUSHLINE_EMIT_SECRET": line.emit_secret} if name == "trainer" else {}),
        **(_tensorflow(environ) if name in ("evaluator", "predictor") else {}),
        **({"PUSHLINE_REPLICA": f"{name}-0"} if line.named_replicas and name in SHARING else {}),
    }
    theirs = {setting: value for setting, value in environ.items() if setting.removesuffix("_FILE") not in ours}
    return Service(
        name, [sys.executable, "-m", f"pushline.{name}"], {**theirs, **ours}, ports_file, folder / "logs" / f"{name}.log"
    )


def _tensorflow(environ: Mapping[str, str]) -> dict[str, str]:
    """The interpreter that trains also opens the models that have no serving program, where no other one is named."""
    beside = Path(sys.prefix) / "training" / "bin" / "python"
    python = environ.get("PUSHLINE_TENSORFLOW_PYTHON") or environ.get("PUSHLINE_TRAINING_PYTHON") or str(beside)
    return {"PUSHLINE_TENSORFLOW_PYTHON": python} if Path(python).is_file() else {}


def environment_of(line: LineFile, environ: Mapping[str, str]) -> dict[str, str]:
    """What a process beside a line that runs is told, so that it finds this very line and judges as its evaluator does.

    What `pushline up` gives its services it gets too; of a line that others run, settings are the caller's own.
    """
    ours = {
        **_where(line.kafka, line.kafka_options, line.topic_prefix, line.store),
        **(_tensorflow(environ) if line.folder else {}),
    }
    return {**{setting: value for setting, value in environ.items() if setting.removesuffix("_FILE") not in ours}, **ours}


def _common(line: LineToServe) -> dict[str, str]:
    return {
        **_where(line.bootstrap, line.kafka_options, line.topic_prefix, line.store),
        "PUSHLINE_BIND": HOST,
        "PUSHLINE_CONFIG": str(line.file.resolve()),
    }


def _where(kafka: str, options: Mapping[str, str], prefix: str, store: StoreAccess) -> dict[str, str]:
    return {
        "PUSHLINE_KAFKA": kafka,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in options.items()),
        "PUSHLINE_TOPIC_PREFIX": prefix,
        "PUSHLINE_S3_ENDPOINT": store.endpoint,
        "PUSHLINE_S3_BUCKET": store.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store.access_key,
        "PUSHLINE_S3_SECRET_KEY": store.secret_key,
        "PUSHLINE_S3_REGION": store.region,
    }
