"""A whole line on this machine: the embedded broker and store, and every service, each in a process of its own."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, WatchedModel, write_line_file
from pushline.cli.service_settings import HOST, KAFKA, LineToServe, services_of
from pushline.cli.state_folder import state_folder
from pushline.cli.supervisor import Supervisor
from pushline.runtime.operator_file import OperatorFile, OperatorFileError, read_operator_file
from pushline.servers.child import ServerNotStarted
from pushline.servers.embedded import EmbeddedBroker, EmbeddedStore

REGION = "us-east-1"
START_SECONDS, GRACE_SECONDS = 60.0, 15.0
LINE_FILE = "line.json"


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
    servers: Mapping[str, int]  # name → process

    def tend(self) -> None:
        """Restart what died. Raises Said where a server ended: what the line knew went with it."""
        self.supervisor.tend()
        for name, pid in self.servers.items():
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                raise Said(f"The embedded {name} ended by itself, and what it held is gone. Start the line again.", Exit.FAILED)


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
        serve = LineToServe(broker.bootstrap, access, secrets.token_hex(32), wanted.file, folder)
        supervisor = Supervisor(services_of(serve, wanted.environ, free_ports=wanted.free_ports), tell)
        try:
            supervisor.start()
            ports = supervisor.wait_listening(START_SECONDS, stopped)
            if not ports:
                yield None
                return
            line = _line_file(serve, wanted.config, ports)
            write_line_file(folder / LINE_FILE, line)
            yield RunningLine(line, folder / LINE_FILE, supervisor, {"broker": broker.pid, "store": store.pid})
        finally:
            supervisor.stop(GRACE_SECONDS)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[EmbeddedBroker, EmbeddedStore]]:
    """They are of the terminal's process group, and must outlive the Ctrl-C that lets the services stop first."""
    with ExitStack() as stack:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by processes started now
        try:
            broker = stack.enter_context(EmbeddedBroker())
            store = stack.enter_context(EmbeddedStore(folder / "objects"))
        except ServerNotStarted as error:
            raise Said(f"The embedded servers did not start: {error}", Exit.FAILED) from None
        finally:
            signal.signal(signal.SIGINT, before)
        yield broker, store


def _line_file(serve: LineToServe, config: OperatorFile, ports: dict[str, dict[str, int]]) -> LineFile:
    models = {model.name: WatchedModel(model.repository, model.branch) for model in config.models}
    return LineFile(
        os.getpid(), serve.bootstrap, KAFKA, "", serve.store, HOST, ports, models, str(serve.folder.resolve()), serve.emit_secret
    )
