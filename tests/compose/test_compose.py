"""deploy/compose.yaml brought up for real by the one command that README names, and a signed push through it.

Kafka and MinIO are stand-ins with the real programs where the official images cannot be had; all else is as it ships.
"""

import hashlib
import hmac
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.client import Client
from pushline.servers.native import free_ports
from pushline.servers.real_parts import Parts
from tests.e2e.running_line import Repository, bare_repository, tree
from tests.images import compose_program, stand_ins
from tests.images.containers import MODEL, ROOT, TAG
from tests.images.engine import Engine
from tests.waiting import until

FILE = ROOT / "deploy" / "compose.yaml"
UP_SECONDS, RUN_SECONDS = 600.0, 300.0
DOORS = ("WEBHOOK", "GRPC", "REST", "AUDITOR")
PAGES = ("PROMETHEUS", "ALERTMANAGER")


@dataclass(frozen=True, slots=True)
class Composed:
    engine: Engine
    words: list[str]
    environ: dict[str, str] = field(repr=False)
    ports: dict[str, int]
    repository: Repository

    def __call__(self, *words: str, seconds: float = UP_SECONDS) -> str:
        done = subprocess.run([*self.words, *words], env=self.environ, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:], self._logs())
        return done.stdout

    def asked(self, what: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['PROMETHEUS']}/api/v1/{what}", timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def _logs(self) -> str:
        told = subprocess.run(
            [*self.words, "logs", "--no-color", "--tail", "5"], env=self.environ, capture_output=True, check=False
        )
        return told.stdout.decode()[-6000:]


@pytest.fixture(scope="module")
def up(docker: Engine, base: str, images: str, real_parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    assert images
    stand_ins.build(docker, base, real_parts)
    folder = tmp_path_factory.mktemp("compose")
    repository = bare_repository(folder, MODEL)
    (folder / "line.toml").write_text(
        f'[[models]]\nname = "{MODEL}"\nrepository = "http://forge:8000/{MODEL}.git"\nreconcile_interval = "1h"\n'
        'webhook_secret_files = ["/run/secrets/webhook/webhook"]\n'
    )
    (folder / "secrets").mkdir()
    stand_ins.build_watching(docker, base)
    ports = free_ports((*DOORS, *PAGES), folder / "ports.json")
    told = {f"PUSHLINE_{door}_PORT": str(ports[door]) for door in DOORS} | {f"{page}_PORT": str(ports[page]) for page in PAGES}
    told |= {
        "PUSHLINE_TAG": TAG,
        "PUSHLINE_OPERATORS_FILE": str(folder / "line.toml"),
        "PUSHLINE_SECRETS": str(folder / "secrets"),
        "KAFKA_IMAGE": stand_ins.KAFKA,
        "STORE_IMAGE": stand_ins.STORE,
        "PROMETHEUS_IMAGE": stand_ins.PROMETHEUS,
        "ALERTMANAGER_IMAGE": stand_ins.ALERTMANAGER,
    }
    words = [*compose_program.command(docker), "--project-name", "pushline-test", "--file", str(FILE)]
    running = Composed(docker, words, {**docker.environ, **told}, ports, repository)
    try:
        running("create", "--no-build")  # and with it the network, in which the git host has to be before the trainer asks for it
        _forge(running)
        running("up", "--wait", "--no-build")
        yield running
    finally:
        subprocess.run(
            [docker.client, "rm", "--force", "pushline-test-forge"], env=running.environ, capture_output=True, check=False
        )
        running("--profile", "observability", "down", "--volumes", "--timeout", "30")


def _forge(running: Composed) -> None:
    script = ROOT / "tests" / "fixtures" / "trainer_intake" / "git_http.py"
    mounts = ("--volume", f"{script}:/forge.py:ro", "--volume", f"{running.repository.bare.parent.resolve()}:/srv:ro")
    network = ("--network", "pushline-test_default", "--network-alias", "forge", "--name", "pushline-test-forge")
    me = ("--user", f"{os.getuid()}:{os.getgid()}", "--entrypoint", "/opt/pushline/bin/python", "--no-healthcheck")
    running.engine("run", "--detach", *network, *mounts, *me, f"pushline-trainer:{TAG}", "/forge.py", "/srv", "8000")


def test_every_layer_fits_the_compose_schema(docker: Engine, tmp_path: Path) -> None:
    words = [*compose_program.command(docker), "--file", str(FILE), "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(words, env=dict(docker.environ), capture_output=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert {"trainer", "pushline", "prometheus", "alertmanager", "grafana"} <= set(told["services"])


@pytest.mark.timeout(2000)
def test_one_command_brings_up_a_line_that_turns_a_signed_push_into_a_prediction(up: Composed) -> None:
    sha = up.repository.push(tree(ROOT / "examples" / MODEL))
    secret = up("exec", "-T", "trainer", "cat", "/run/secrets/webhook/webhook").strip().encode()
    repository = {"clone_url": f"http://forge:8000/{MODEL}.git", "full_name": MODEL}
    body = json.dumps({"ref": "refs/heads/main", "after": sha, "deleted": False, "repository": repository}).encode()
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": f"sha256={signature}"}
    url = f"http://127.0.0.1:{up.ports['WEBHOOK']}/webhooks/github"
    request = urllib.request.Request(url, body, {**headers, "Content-Type": "application/json"})

    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        assert answer.status == 202
    up("run", "--rm", "pushline", "wait", sha, "--timeout", f"{RUN_SECONDS:g}s", seconds=RUN_SECONDS + 60)
    with Client(f"127.0.0.1:{up.ports['GRPC']}") as client:
        assert client.predict(np.zeros((1, 64), np.float32), model=MODEL).commit == sha
    with urllib.request.urlopen(f"http://127.0.0.1:{up.ports['AUDITOR']}/", timeout=30) as page:
        assert sha[:10] in page.read().decode()


def test_who_may_only_read_the_store_cannot_write_to_it(up: Composed) -> None:
    script = (
        "from pathlib import Path; from minio import Minio; from minio.error import S3Error\n"
        "keys = [Path('/run/secrets/store', name).read_text() for name in ('access-key', 'secret-key')]\n"
        "store = Minio('store:9000', *keys, secure=False)\n"
        "assert list(store.list_objects('pushline'))\n"
        "try: store.fput_object('pushline', 'models/x', '/etc/hostname'); print('written')\n"
        "except S3Error as error: print(error.code)"
    )

    told = up("exec", "-T", "predictor", "/opt/pushline/bin/python", "-I", "-c", script)

    assert told.strip() == "AccessDenied"


def test_prometheus_scrapes_every_service_by_the_shipped_file_and_finds_alertmanager(up: Composed) -> None:
    up("--profile", "observability", "up", "--wait", "--no-build", "prometheus", "alertmanager")

    def scraped() -> dict[str, str] | None:
        found = {each["labels"]["job"]: each["health"] for each in up.asked("targets")["activeTargets"]}
        return found if set(found.values()) == {"up"} else None

    jobs = until(scraped, 90, "Prometheus to scrape every service")
    rules = [rule for group in up.asked("rules")["groups"] for rule in group["rules"]]
    alerting = [each["url"] for each in up.asked("alertmanagers")["activeAlertmanagers"]]

    assert set(jobs) == {f"pushline-{name}" for name in ("trainer", "evaluator", "deployer", "predictor", "auditor")}
    assert rules
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert alerting == ["http://alertmanager:9093/api/v2/alerts"]


def test_down_and_up_again_keeps_keys_history_and_what_is_live(up: Composed) -> None:
    before = up("run", "--rm", "pushline", "status", "--json")
    up("down", "--timeout", "30")
    up("up", "--wait", "--no-build")

    after = json.loads(up("run", "--rm", "pushline", "status", "--json"))

    live = {each["model"]: each["live_digest"] for each in json.loads(before)}
    assert {each["model"]: each["live_digest"] for each in after} == live
