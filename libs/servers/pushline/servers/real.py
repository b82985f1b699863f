"""Apache Kafka and MinIO on this machine, for one user: they listen on 127.0.0.1 alone and keep what they hold in a folder."""

import base64
import json
import logging
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioException
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from pushline.servers.child import ServerNotStarted
from pushline.servers.embedded import BUCKET
from pushline.servers.native import LOOPBACK, NativeServer, private_file

REGION = "us-east-1"
ANSWER_SECONDS, FORMAT_SECONDS = 5.0, 60.0
JAVA_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.io.tmpdir=tmp")
LOGGING = """\
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.version.name = org.apache.kafka.common.utils.AppInfoParser
logger.version.level = INFO
"""
# One node that is broker and controller. Times are short because it has one user, who does not like to wait.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "data",
    "auto.create.topics.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "broker.session.timeout.ms": "3000",  # a killed broker is let in again when it ran out
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "10000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.index.size.max.bytes": "1048576",
    "log.segment.delete.delay.ms": "1000",
}


class RealBroker(NativeServer):
    """Apache Kafka. `home` is what real_parts.prepare_kafka gives.

    `doors`: further listeners, by name in lower-case letters. Each has a port of its own in `ports`, and tells its clients to come
    to this port instead, where somebody forwards what passes.
    """

    name = "Kafka"

    def __init__(self, folder: Path, home: Path, doors: Mapping[str, int] = {}) -> None:
        super().__init__(folder)
        self._home = home.resolve()
        self._doors = dict(doors)
        self.port_names = ("broker", "controller", *doors)

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.ports['broker']}"

    @property
    def version(self) -> str:
        """Give what the running server wrote into its log."""
        found = re.search(r"Kafka version: (\S+)", self.log.read_text(errors="replace"))
        return found[1] if found else "unknown"

    def command(self) -> Sequence[str | Path]:
        (self.folder / "tmp").mkdir(exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        broker, controller = f"{LOOPBACK}:{self.ports['broker']}", f"{LOOPBACK}:{self.ports['controller']}"
        listening = {"PLAINTEXT": broker, "CONTROLLER": controller} | {
            name.upper(): f"{LOOPBACK}:{self.ports[name]}" for name in self._doors
        }
        told = {"PLAINTEXT": broker} | {name.upper(): f"{LOOPBACK}:{port}" for name, port in self._doors.items()}
        own = {
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listening),
            "listeners": _addresses(listening),
            "advertised.listeners": _addresses(told),
            "controller.quorum.voters": f"1@{controller}",
        }
        lines = [f"{name}={value}\n" for name, value in {**PROPERTIES, **own}.items()]
        (self.folder / "server.properties").write_text("".join(lines))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        return [*self._java(), "kafka.Kafka", "server.properties"]

    def environ(self) -> Mapping[str, str]:
        return {"LANG": "C.UTF-8", "HOME": str(self.folder.resolve())}

    def answers(self) -> bool:
        quiet = logging.getLogger("pushline.servers.kafka")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        settings: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "logger": quiet}
        try:
            with AdminClient(settings) as admin:
                found = admin.list_topics(timeout=ANSWER_SECONDS)
        except KafkaException:
            return False
        return bool(found.brokers)

    def _java(self) -> list[str | Path]:
        log = "-Dlog4j2.configurationFile=log4j2.properties"
        return [self._home / "java" / "bin" / "java", *JAVA_OPTIONS, log, "-cp", f"{self._home}/jars/*"]

    def _format(self) -> None:
        """Make the empty log, whose id no other log has."""
        cluster = base64.urlsafe_b64encode(uuid4().bytes)[:22].decode().replace("-", "_")
        command = [*self._java(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties"]
        done = subprocess.run(
            command, cwd=self.folder, env=dict(self.environ()), capture_output=True, timeout=FORMAT_SECONDS, check=False
        )
        if done.returncode != 0:
            raise ServerNotStarted(f"Kafka could not format {self.folder / 'data'}: {(done.stdout + done.stderr)[-500:]!r}")


def _addresses(listeners: Mapping[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in listeners.items())


class RealStore(NativeServer):
    """MinIO with the bucket `pushline`. `home` is what real_parts.prepare_minio gives. Its keys are made at the first start."""

    name = "MinIO"
    port_names = ("s3",)

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__(folder)
        self._program = home.resolve() / "minio"
        self.bucket = BUCKET

    @property
    def endpoint(self) -> str:
        return f"http://{self._address}"

    @property
    def access_key(self) -> str:
        return self._keys()["access_key"]

    @property
    def secret_key(self) -> str:
        return self._keys()["secret_key"]

    @property
    def version(self) -> str:
        """Ask the running server."""
        keys = StaticProvider(self.access_key, self.secret_key)
        with self._pool() as pool:
            admin = MinioAdmin(endpoint=self._address, credentials=keys, region=REGION, secure=False, http_client=pool)
            return str(json.loads(admin.info())["servers"][0]["version"])

    def command(self) -> Sequence[str | Path]:
        (self.folder / "data").mkdir(exist_ok=True)
        return [self._program, "server", "--quiet", "--address", self._address, "data"]

    def environ(self) -> Mapping[str, str]:
        return {
            "LANG": "C.UTF-8",
            "HOME": str(self.folder.resolve()),
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_REGION": REGION,
        }

    def answers(self) -> bool:
        calling = HTTPConnection(LOOPBACK, self.ports["s3"], timeout=ANSWER_SECONDS)
        with closing(calling), suppress(OSError, HTTPException, HTTPError, MinioException):
            calling.request("GET", "/minio/health/live")
            if calling.getresponse().status == 200:  # noqa: PLR2004 - HTTP's OK
                self._make_bucket()
                return True
        return False

    def _make_bucket(self) -> None:
        with self._pool() as pool:
            client = Minio(self._address, self.access_key, self.secret_key, secure=False, region=REGION, http_client=pool)
            if not client.bucket_exists(self.bucket):
                client.make_bucket(self.bucket)

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.ports['s3']}"

    def _pool(self) -> PoolManager:
        return PoolManager(timeout=Timeout(ANSWER_SECONDS), retries=Retry(total=2, backoff_factor=0.2))

    def _keys(self) -> dict[str, str]:
        path = self.folder / "keys.json"
        if not path.exists():
            private_file(path, json.dumps({"access_key": "pushline", "secret_key": secrets.token_hex(20)}))
        keys: dict[str, str] = json.loads(path.read_text())
        return keys
