"""The line in containers, each as README says to run it: numeric user, read-only root, no capability, secrets as files.

Kafka and MinIO are those of the servers' cache, in containers of the base image. Everything lies in one network of its own.
"""

import io
import json
import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pushline.servers.real import JAVA_OPTIONS, PROPERTIES
from pushline.servers.real_parts import Parts
from tests.e2e.running_line import Repository, bare_repository
from tests.images.engine import Engine
from tests.waiting import until

ROOT = Path(__file__).parents[2]
TAG, USER = "test", 10001
SERVICES = ("trainer", "evaluator", "deployer", "predictor", "auditor")
DOORS = {"trainer": 8080, "predictor": 8001, "auditor": 8088}
READY_SECONDS, RUN_SECONDS = 90.0, 240.0
PLAIN = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--cpus", "1.5")  # noqa: S108 - theirs
# User namespaces, and a /proc of which nothing is hidden: without it the kernel lets nobody mount another one.
SANDBOXED = (
    *("--security-opt", f"seccomp={ROOT / 'deploy' / 'seccomp.json'}"),
    *("--security-opt", "systempaths=unconfined", "--security-opt", "apparmor=unconfined"),
)
KAFKA = {
    "listeners": "PLAINTEXT://:9092,CONTROLLER://localhost:9093",
    "advertised.listeners": "PLAINTEXT://kafka:9092",
    "controller.quorum.voters": "1@localhost:9093",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
}
MODEL = "digits"
OPERATORS_FILE = f"""\
[[models]]
name = "{MODEL}"
repository = "http://forge:8000/{MODEL}.git"
webhook_secret_files = ["/run/secrets/webhook"]
reconcile_interval = "1h"
"""


@dataclass(frozen=True, slots=True)
class Line:
    engine: Engine
    name: str  # of the network, and before that of each container
    base: str
    repository: Repository
    webhook_secret: bytes

    def container(self, service: str) -> str:
        return f"{self.name}-{service}"

    def at(self, service: str) -> str:
        """Where this machine reaches the door of a service."""
        return self.engine("port", self.container(service), f"{DOORS[service]}/tcp").splitlines()[0]

    def start(self, name: str, image: str, words: Sequence[str], options: Sequence[str] = ()) -> None:
        network = ("--network", self.name, "--network-alias", name)
        self.engine("run", "--detach", "--name", self.container(name), *network, *options, image, *words)

    def command(self, *words: str, check: bool = True) -> str:
        """Run `pushline` in a container that knows broker and store."""
        network = ("--network", self.name, *PLAIN, *_volume(self, "secrets"), *_environment(GIVEN))
        return self.engine("run", "--rm", *network, f"pushline-cli:{TAG}", *words, seconds=RUN_SECONDS, check=check)

    def is_ready(self, service: str) -> bool:
        return self.inspect(service, "{{.State.Health.Status}}") == "healthy"

    def inspect(self, service: str, form: str) -> str:
        return self.engine("inspect", "--format", form, self.container(service))

    def logs(self, service: str) -> str:
        return self.engine("logs", self.container(service), check=False)


GIVEN = {
    "PUSHLINE_KAFKA": "kafka:9092",
    "PUSHLINE_S3_ENDPOINT": "http://store:9000",
    "PUSHLINE_S3_ACCESS_KEY_FILE": "/run/secrets/access-key",
    "PUSHLINE_S3_SECRET_KEY_FILE": "/run/secrets/secret-key",
}


def build(engine: Engine, base: str, authorities: Path) -> str:
    """Give what tools/images says."""
    environ = {**engine.environ, "BASE": base, "TAG": TAG}
    if authorities.exists():
        environ["AUTHORITIES"] = str(authorities)
    done = subprocess.run([ROOT / "tools" / "images"], env=environ, capture_output=True, text=True, check=False, timeout=1700)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@contextmanager
def line(engine: Engine, base: str, parts: Parts, folder: Path) -> Iterator[Line]:
    repository = bare_repository(folder, MODEL)
    running = Line(engine, f"pushline-{uuid4().hex[:8]}", base, repository, secrets.token_hex(20).encode())
    engine("network", "create", running.name)
    try:
        _servers(running, parts)
        running.command("topics", "create", "--partitions", "2")
        running.command("store", "create")
        for service in SERVICES:
            _service(running, service)
        for service in SERVICES:
            until(lambda service=service: running.is_ready(service), READY_SECONDS, f"{service} to be healthy")  # type: ignore[misc]
        yield running
    finally:
        _remove(running)


def _servers(running: Line, parts: Parts) -> None:
    access, secret = "pushline", secrets.token_hex(20)
    files = {"access-key": access, "secret-key": secret, "webhook": running.webhook_secret.decode()}
    _fill(running, "secrets", {name: text.encode() for name, text in files.items()})
    _fill(running, "config", {"line.toml": OPERATORS_FILE.encode()})
    properties = "".join(f"{name}={value}\n" for name, value in {**PROPERTIES, "log.dirs": "/tmp/data", **KAFKA}.items())  # noqa: S108
    _fill(running, "kafka", {"server.properties": properties.encode()})
    java = f"/parts/java/bin/java {' '.join(JAVA_OPTIONS[:-1])} -cp '/parts/jars/*'"
    told = "-t AAAAAAAAAAAAAAAAAAAAAQ -c /kafka/server.properties"
    script = f"set -e; {java} kafka.tools.StorageTool format {told}; exec {java} kafka.Kafka /kafka/server.properties"
    mounts = (*_volume(running, "kafka", "/kafka"), "--volume", f"{parts.kafka.resolve()}:/parts:ro", "--tmpfs", "/tmp")  # noqa: S108
    running.start("kafka", running.base, ["/bin/sh", "-c", script], mounts)
    keys = ("--env", f"MINIO_ROOT_USER={access}", "--env", f"MINIO_ROOT_PASSWORD={secret}", "--tmpfs", "/data")
    command = ["/parts/minio", "server", "--quiet", "--address", ":9000", "/data"]
    running.start("store", running.base, command, (*keys, "--volume", f"{parts.minio.resolve()}:/parts:ro"))
    _forge(running)


def _forge(running: Line) -> None:
    """Git's own http-backend; the trainer's image has git and Python."""
    script = ROOT / "tests" / "fixtures" / "trainer_intake" / "git_http.py"
    mounts = ("--volume", f"{script}:/forge.py:ro", "--volume", f"{running.repository.bare.parent.resolve()}:/srv:ro")
    me = ("--user", f"{os.getuid()}:{os.getgid()}", "--entrypoint", "/opt/pushline/bin/python", "--no-healthcheck")
    running.start("forge", f"pushline-trainer:{TAG}", ["/forge.py", "/srv", "8000"], (*mounts, *me))


def _service(running: Line, service: str) -> None:
    options = [
        *PLAIN,
        *_volume(running, "secrets"),
        *_volume(running, f"{service}-state", "/var/lib/pushline", ""),
        *_environment(GIVEN),
    ]
    if service in ("trainer", "evaluator"):
        options += SANDBOXED
    if service == "trainer":
        options += [*_volume(running, "config", "/etc/pushline"), "--env", "PUSHLINE_CONFIG=/etc/pushline/line.toml"]
    if service in DOORS:
        options += ["--publish", f"127.0.0.1::{DOORS[service]}"]
    running.start(service, f"pushline-{service}:{TAG}", [], options)


def _volume(running: Line, name: str, at: str = "/run/secrets", mode: str = ":ro") -> tuple[str, str]:
    return ("--volume", f"{running.name}-{name}:{at}{mode}")


def _environment(settings: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in settings.items() for word in ("--env", f"{name}={value}"))


def _fill(running: Line, name: str, files: Mapping[str, bytes]) -> None:
    """Put files into a volume, for the services' user alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o400, USER, USER
            tar.addfile(entry, io.BytesIO(content))
    options = ("--rm", "--interactive", "--network", "none", *_volume(running, name, "/filled", ""))
    running.engine("run", *options, running.base, "tar", "-x", "-C", "/filled", given=packed.getvalue())


def _remove(running: Line) -> None:
    told = running.engine("ps", "--all", "--quiet", "--filter", f"network={running.name}")
    if told:
        running.engine("rm", "--force", "--volumes", *told.split())
    running.engine("network", "rm", running.name)
    volumes = running.engine("volume", "ls", "--quiet", "--filter", f"name={running.name}-")
    if volumes:
        running.engine("volume", "rm", "--force", *volumes.split())


def configuration(engine: Engine, service: str) -> dict[str, object]:
    told: list[dict[str, dict[str, object]]] = json.loads(engine("image", "inspect", f"pushline-{service}:{TAG}"))
    return told[0]["Config"]
