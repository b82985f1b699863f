"""The broker and the store of a line on this machine: embedded, real, or such as run already."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import StoreAccess
from pushline.cli.service_settings import KAFKA
from pushline.cli.state_folder import KEPT
from pushline.line.broker import LineError
from pushline.line.kafka_topics import KafkaTopics
from pushline.runtime.settings import LineSettings, SettingsError, StoreSettings, options, read
from pushline.servers.cache import NotPrepared
from pushline.servers.child import ServerNotStarted
from pushline.servers.embedded import EmbeddedBroker, EmbeddedStore
from pushline.servers.native import NativeServer
from pushline.servers.real import RealBroker, RealStore
from pushline.servers.real_parts import prepare

REGION = "us-east-1"
Tell = Callable[[str], None]


class Servers(Enum):
    EMBEDDED = "embedded"
    REAL = "real"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class LineServers:
    kafka: str
    store: StoreAccess
    kafka_options: Mapping[str, str] = field(default_factory=dict)
    topic_prefix: str = ""
    processes: Mapping[str, int] = field(default_factory=dict)  # embedded: name → process
    natives: tuple[NativeServer, ...] = ()

    def tend(self, tell: Tell) -> None:
        """Start a real server again that ended. Raises Said where an embedded one did: what the line knew went with it."""
        for name, pid in self.processes.items():
            if _ended(pid):
                raise Said(f"The embedded {name} ended by itself, and what it held is gone. Start the line again.", Exit.FAILED)
        for server in self.natives:
            if _ended(server.pid):
                tell(f"{server.name} ended by itself; it starts again")
                server.kill()
                _launch(server)
                _wait(server)


@contextmanager
def line_servers(kind: Servers, folder: Path, environ: Mapping[str, str], tell: Tell) -> Iterator[LineServers]:
    """Raises Said where they cannot be had."""
    with ExitStack() as stack:
        if kind is Servers.GIVEN:
            yield _given(environ)
        elif kind is Servers.REAL:
            yield _real(stack, folder / KEPT, environ, tell)
        else:
            yield _embedded(stack, folder / "objects")


def _embedded(stack: ExitStack, folder: Path) -> LineServers:
    """They are of the terminal's process group, and must outlive the Ctrl-C that lets the services stop first."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by processes started now
    try:
        broker = stack.enter_context(EmbeddedBroker())
        store = stack.enter_context(EmbeddedStore(folder))
    except ServerNotStarted as error:
        raise Said(f"The embedded servers did not start: {error}", Exit.FAILED) from None
    finally:
        signal.signal(signal.SIGINT, before)
    access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
    return LineServers(broker.bootstrap, access, KAFKA, processes={"broker": broker.pid, "store": store.pid})


def _real(stack: ExitStack, folder: Path, environ: Mapping[str, str], tell: Tell) -> LineServers:
    try:
        parts = prepare(environ, tell)
    except NotPrepared as error:
        raise Said(f"The real servers are not to be had: {error}", Exit.FAILED) from None
    broker, store = RealBroker(folder / "kafka", parts.kafka), RealStore(folder / "minio", parts.minio)
    for server in (broker, store):
        stack.callback(server.stop)
        _launch(server)
    for server in (broker, store):
        _wait(server)
    _make_topics(broker.bootstrap)
    access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
    return LineServers(broker.bootstrap, access, natives=(broker, store))


def _given(environ: Mapping[str, str]) -> LineServers:
    try:
        line, store = read(LineSettings, environ), read(StoreSettings, environ)
        kafka_options = options(environ.get("PUSHLINE_KAFKA_OPTIONS", ""))
    except (SettingsError, ValueError) as error:
        raise Said(f"--given needs the settings of a broker and a store:\n{error}", Exit.BAD_FILE) from None
    access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    return LineServers(line.kafka, access, kafka_options, line.topic_prefix)


def _make_topics(bootstrap: str) -> None:
    try:
        with KafkaTopics(bootstrap) as topics:
            topics.create()
    except LineError as error:
        raise Said(f"The line's topics could not be made: {error}", Exit.FAILED) from None


def _launch(server: NativeServer) -> None:
    try:
        server.launch()
    except (OSError, ServerNotStarted) as error:
        raise Said(f"{server.name} could not be started: {error}", Exit.FAILED) from None


def _wait(server: NativeServer) -> None:
    try:
        server.wait_ready()
    except ServerNotStarted as error:
        raise Said(str(error), Exit.FAILED) from None


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
