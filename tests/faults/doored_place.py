"""A real broker and a real store, and between them and each service a door of its own; one in front of the webhook too."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.line_file import StoreAccess
from pushline.cli.service_settings import HOST
from pushline.line.kafka_topics import KafkaTopics
from pushline.servers.real import REGION, RealBroker, RealStore
from pushline.servers.real_parts import prepare
from tests.e2e.running_line import environment
from tests.faults.http_door import HttpDoor
from tests.faults.kafka_door import KafkaDoor
from tests.faults.places import Place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line

SERVICES = (*STAGES, "predictor")


@dataclass(frozen=True)
class Doors:
    kafka: Mapping[str, KafkaDoor]  # by service
    store: Mapping[str, HttpDoor]
    webhook: HttpDoor

    @classmethod
    def made(cls) -> "Doors":
        return cls({name: KafkaDoor() for name in SERVICES}, {name: HttpDoor() for name in SERVICES}, HttpDoor())

    def environ_of(self) -> dict[str, dict[str, str]]:
        return {
            name: {
                "PUSHLINE_KAFKA": f"{HOST}:{self.kafka[name].port}",
                "PUSHLINE_S3_ENDPOINT": f"http://{HOST}:{self.store[name].port}",
            }
            for name in SERVICES
        }

    def close(self) -> None:
        for kafka in self.kafka.values():
            kafka.close()
        for door in (*self.store.values(), self.webhook):
            door.close()


@contextmanager
def doored_place(folder: Path) -> Iterator[tuple[Place, Doors]]:
    parts, doors = prepare(environment(), lambda _: None), Doors.made()
    with ExitStack() as stack:
        stack.callback(doors.close)
        ports = {name: door.port for name, door in doors.kafka.items()}
        broker = stack.enter_context(RealBroker(folder / "broker", parts.kafka, ports))
        store = stack.enter_context(RealStore(folder / "objects", parts.minio))
        for name in SERVICES:
            doors.kafka[name].open(broker.ports[name])
            doors.store[name].open(store.ports["s3"])
        with KafkaTopics(broker.bootstrap) as topics:
            topics.create()
        access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
        yield Place(broker.bootstrap, access, "", broker.pid, store.pid, {"broker": broker, "store": store}, {}), doors


@contextmanager
def doored_line(folder: Path, python: Path, *models: str, **environ: str) -> Iterator[tuple[FaultLine, Doors]]:
    """Run a line whose services, and who tells it of pushes, all come through doors."""
    with doored_place(folder / "place") as (place, doors):
        wish = Wish(dict.fromkeys(models, ""), python, environ=environ, environ_of=doors.environ_of())
        with fault_line(folder / "line", place, wish) as line:
            doors.webhook.open(line.services["trainer"].child.ports["webhook"])
            told = line.seen.told
            told["ports"]["trainer"]["webhook"] = doors.webhook.port
            line.seen.file.write_text(json.dumps(told))
            yield line, doors
