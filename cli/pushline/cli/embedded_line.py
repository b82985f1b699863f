"""A whole line on this machine: the embedded broker and store in this process, every service in a process of its own."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, WatchedModel, write_line_file
from pushline.cli.state_folder import state_folder
from pushline.cli.supervisor import Service, Supervisor
from pushline.runtime.operator_file import OperatorFile, OperatorFileError, read_operator_file
from pushline.servers.child import ServerNotStarted
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker, EmbeddedStore

HOST = "127.0.0.1"
REGION = "us-east-1"
START_SECONDS, GRACE_SECONDS = 60.0, 15.0
LINE_FILE = "line.json"

# service → its ports: setting → default
PORTS: dict[str, dict[str, int]] = {
    "trainer": {"PUSHLINE_WEBHOOK_PORT": 8080, "PUSHLINE_METRICS_PORT": 9101},
    "evaluator": {"PUSHLINE_METRICS_PORT": 9102},
    "deployer": {"PUSHLINE_METRICS_PORT": 9103},
    "predictor": {"PUSHLINE_GRPC_PORT": 8001, "PUSHLINE_METRICS_PORT": 9104},
    "auditor": {"PUSHLINE_HTTP_PORT": 8088},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    file: Path  # the operator's
    config: OperatorFile
    environ: Mapping[str, str]
    free_ports: bool = False


@dataclass(frozen=True, slots=True)
class RunningLine:
    line: LineFile
    path: Path  # of line.json
    supervisor: Supervisor


def read_config(file: Path) -> OperatorFile:
    try:
        return read_operator_file(file)
    except OperatorFileError as error:
        raise Said(str(error), Exit.BAD_FILE) from None


@contextmanager
def embedded_line(wanted: Wanted, tell: Callable[[str], None], stopped: Callable[[float], bool]) -> Iterator[RunningLine | None]:
    """Give the line once every service listens; None where `stopped` said so before."""
    with state_folder(wanted.config.up.state) as folder, _servers(folder) as (broker, store):
        access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
        supervisor = Supervisor(_services(wanted, folder, broker.bootstrap, access), tell)
        try:
            supervisor.start()
            ports = supervisor.wait_listening(START_SECONDS, stopped)
            if not ports:
                yield None
                return
            line = _line_file(wanted, folder, broker.bootstrap, access, ports)
            write_line_file(folder / LINE_FILE, line)
            yield RunningLine(line, folder / LINE_FILE, supervisor)
        finally:
            supervisor.stop(GRACE_SECONDS)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[EmbeddedBroker, EmbeddedStore]]:
    """They are of the terminal's process group, and must outlive the Ctrl-C that lets the services stop first."""
    broker, store = EmbeddedBroker(), EmbeddedStore(folder / "objects")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by processes started now
    try:
        broker.start()
        store.start()
    except ServerNotStarted as error:
        raise Said(f"The embedded servers did not start: {error}", Exit.FAILED) from None
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield broker, store
    finally:
        store.stop()
        broker.stop()


def _services(wanted: Wanted, folder: Path, bootstrap: str, store: StoreAccess) -> list[Service]:
    for name in ("logs", "ports", "work"):
        (folder / name).mkdir()
    common = {
        **wanted.environ,
        "PUSHLINE_KAFKA": bootstrap,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in KAFKA_OPTIONS.items()),
        "PUSHLINE_TOPIC_PREFIX": "",
        "PUSHLINE_S3_ENDPOINT": store.endpoint,
        "PUSHLINE_S3_BUCKET": store.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store.access_key,
        "PUSHLINE_S3_SECRET_KEY": store.secret_key,
        "PUSHLINE_S3_REGION": store.region,
        "PUSHLINE_BIND": HOST,
        "PUSHLINE_CONFIG": str(wanted.file.resolve()),
    }
    return [_service(name, folder, common, free_ports=wanted.free_ports) for name in PORTS]


def _service(name: str, folder: Path, common: Mapping[str, str], *, free_ports: bool) -> Service:
    work, ports_file = folder / "work" / name, folder / "ports" / f"{name}.json"
    work.mkdir()
    environ = {
        **common,
        **{setting: "0" if free_ports else str(default) for setting, default in PORTS[name].items()},
        "PUSHLINE_PORTS_FILE": str(ports_file),
        "PUSHLINE_WORK": str(work),
        "PUSHLINE_CACHE": str(work / "cache"),
        "TMPDIR": str(work),
    }
    return Service(name, [sys.executable, "-m", f"pushline.{name}"], environ, ports_file, folder / "logs" / f"{name}.log")


def _line_file(wanted: Wanted, folder: Path, bootstrap: str, store: StoreAccess, ports: dict[str, dict[str, int]]) -> LineFile:
    models = {
        model.name: WatchedModel(model.repository, model.branch, model.webhook_secrets[0].decode() if model.webhook_secrets else "")
        for model in wanted.config.models
    }
    return LineFile(os.getpid(), bootstrap, KAFKA_OPTIONS, "", store, HOST, ports, models, str(folder.resolve()))
