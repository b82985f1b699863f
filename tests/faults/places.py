"""Where a line's records and objects go: a broker and a store, real or embedded."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pushline.cli.line_file import StoreAccess
from pushline.line.kafka_topics import KafkaTopics
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker, EmbeddedStore
from pushline.servers.real import REGION, RealBroker, RealStore
from pushline.servers.real_parts import prepare
from tests.e2e.running_line import environment


class Server(Protocol):
    """A broker or store that comes back at the same place with what it held."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def stop(self) -> None: ...

    def start(self) -> object: ...


@dataclass(frozen=True)
class Place:
    """Where a line's records and objects go."""

    kafka: str
    store: StoreAccess
    topic_prefix: str = ""
    broker_pid: int = 0
    store_pid: int = 0
    servers: Mapping[str, Server] = field(default_factory=dict)
    kafka_options: Mapping[str, str] = field(default_factory=lambda: dict(KAFKA_OPTIONS))

    @property
    def is_real(self) -> bool:
        return self.kafka_options.get("group.protocol") != "consumer"


@contextmanager
def embedded_place(folder: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        store = stack.enter_context(EmbeddedStore(folder / "objects"))
        access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, "us-east-1")
        yield Place(broker.bootstrap, access, "", broker.pid, store.pid)


@contextmanager
def own_place(folder: Path) -> Iterator[Place]:
    """Give a real broker and a real store that no other test uses, so that they can be frozen, killed and started again."""
    parts = prepare(environment(), lambda _: None)
    with ExitStack() as stack:
        broker = stack.enter_context(RealBroker(folder / "broker", parts.kafka))
        store = stack.enter_context(RealStore(folder / "objects", parts.minio))
        with KafkaTopics(broker.bootstrap) as topics:
            topics.create()
        access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
        yield Place(broker.bootstrap, access, "", broker.pid, store.pid, {"broker": broker, "store": store}, {})
