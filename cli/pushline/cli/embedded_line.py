"""A whole line on this machine: broker, store and every service, each in a process of its own."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, WatchedModel, write_line_file
from pushline.cli.line_servers import LineServers, Servers, line_servers
from pushline.cli.service_settings import HOST, LineToServe, services_of
from pushline.cli.state_folder import KEPT, state_folder
from pushline.cli.supervisor import Supervisor
from pushline.runtime.operator_file import OperatorFile, OperatorFileError, read_operator_file

START_SECONDS, GRACE_SECONDS = 60.0, 15.0
LINE_FILE = "line.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    file: Path  # the operator's
    config: OperatorFile
    environ: Mapping[str, str]
    free_ports: bool = False
    servers: Servers = Servers.EMBEDDED


@dataclass(frozen=True, slots=True)
class RunningLine:
    line: LineFile
    path: Path  # of line.json
    supervisor: Supervisor
    servers: LineServers
    tell: Callable[[str], None]

    def tend(self) -> None:
        """Restart what died. Raises Said where that is of no use."""
        self.supervisor.tend()
        self.servers.tend(self.tell)


def read_config(file: Path) -> OperatorFile:
    try:
        return read_operator_file(file)
    except OperatorFileError as error:
        raise Said(str(error), Exit.BAD_FILE) from None


@contextmanager
def embedded_line(wanted: Wanted, tell: Callable[[str], None], stopped: Callable[[float], bool]) -> Iterator[RunningLine | None]:
    """Give the line once every service listens; None where `stopped` said so before."""
    keep = KEPT if wanted.servers is Servers.REAL else ""
    with (
        state_folder(wanted.config.up.state, keep) as folder,
        line_servers(wanted.servers, folder, wanted.environ, tell) as servers,
    ):
        serve = _to_serve(wanted, folder, servers)
        supervisor = Supervisor(services_of(serve, wanted.environ, free_ports=wanted.free_ports), tell)
        try:
            supervisor.start()
            ports = supervisor.wait_listening(START_SECONDS, stopped)
            if not ports:
                yield None
                return
            line = _line_file(serve, wanted.config, ports)
            write_line_file(folder / LINE_FILE, line)
            yield RunningLine(line, folder / LINE_FILE, supervisor, servers, tell)
        finally:
            supervisor.stop(GRACE_SECONDS)


def _to_serve(wanted: Wanted, folder: Path, servers: LineServers) -> LineToServe:
    return LineToServe(
        servers.kafka,
        servers.store,
        secrets.token_hex(32),
        wanted.file,
        folder,
        servers.kafka_options,
        servers.topic_prefix,
        named_replicas=wanted.servers is not Servers.EMBEDDED,
    )


def _line_file(serve: LineToServe, config: OperatorFile, ports: dict[str, dict[str, int]]) -> LineFile:
    models = {model.name: WatchedModel(model.repository, model.branch) for model in config.models}
    return LineFile(
        os.getpid(),
        serve.bootstrap,
        dict(serve.kafka_options),
        serve.topic_prefix,
        serve.store,
        HOST,
        ports,
        models,
        str(serve.folder.resolve()),
        serve.emit_secret,
    )
