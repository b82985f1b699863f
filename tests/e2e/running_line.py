"""A line as a user runs it: `pushline up` as a process, bare git repositories, pushes, signed webhooks."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger, Run
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects.minio_store import MinioStore
from tests.servers import BrokerAddress, StoreAddress, topics_of_its_own
from tests.waiting import until

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
GIT |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com"}
RUN_SECONDS = 120.0
SERVERS: list[tuple[BrokerAddress, StoreAddress]] = []  # those of this session, noted by conftest.py


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository and a clone of it to push from."""

    model: str
    bare: Path
    clone: Path

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        for name, content in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        sha = self.commit(files, message)
        self.git("push", "--quiet", "--force", "origin", "HEAD:main")
        return sha

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.clone), *arguments]
        told = subprocess.run(command, env={**environment(), **GIT}, capture_output=True, text=True, check=True)
        return told.stdout.strip()


@dataclass(frozen=True, slots=True)
class RunningLine:
    file: Path  # line.json
    tail: Tail
    log: KafkaLog
    store: MinioStore
    repositories: Mapping[str, Repository]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.file.read_text())
        return told

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.told['ports']['predictor']['grpc']}"

    def hint(self, model: str, sha: str, ref: str = "refs/heads/main") -> tuple[int, dict[str, Any]]:
        """Tell the trainer as GitHub does; give status and answer."""
        told = self.told["models"][model]
        body = {"ref": ref, "after": sha, "deleted": False, "repository": {"clone_url": told["repository"], "full_name": model}}
        return self.post(json.dumps(body).encode(), secret_of(model))

    def post(self, body: bytes, secret: bytes, event: str = "push") -> tuple[int, dict[str, Any]]:
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "1", "X-Hub-Signature-256": f"sha256={signature}"}
        url = f"http://127.0.0.1:{self.told['ports']['trainer']['webhook']}/webhooks/github"
        request = Request(url, body, {**headers, "Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path: str) -> Any:
        """Ask the auditor."""
        with urlopen(f"http://127.0.0.1:{self.told['ports']['auditor']['http']}{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def push(self, model: str, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Push and tell the trainer; give the run id that it answered."""
        sha = self.repositories[model].push(files, message)
        status, answer = self.hint(model, sha)
        assert status == 202, answer
        return str(answer["run_id"])

    def ended(self, run_id: str, seconds: float = RUN_SECONDS) -> Run:
        """Wait for the outcome of a run."""

        def found(ledger: Ledger) -> Run | None:
            run = ledger.runs.get(run_id)
            return run if run is not None and run.outcome else None

        return self.tail.wait_until(found, seconds)

    def served(self, run_id: str, seconds: float = RUN_SECONDS) -> None:
        """Wait until a replica reports that it serves the run."""

        def found(ledger: Ledger) -> bool | None:
            run = ledger.runs.get(run_id)
            reports = run.line.served.values() if run is not None else ()
            return any(entry.event.run_id == run_id and entry.event.state == "serving" for entry in reports) or None

        self.tail.wait_until(found, seconds)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pushline.cli", *arguments, "--line", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=120)


@contextmanager
def running_line(
    folder: Path, models: Mapping[str, str], address: Callable[[Repository], str] = lambda repository: str(repository.bare)
) -> Iterator[RunningLine]:
    """Run a line for these models (name → further lines of its table in the operator's file). Stops it and checks a clean end.

    `address` says where the trainer finds a repository.
    """
    repositories = {name: bare_repository(folder, name) for name in models}
    config = _operators_file(folder, models, {name: address(repository) for name, repository in repositories.items()})
    (broker, store), *_ = SERVERS
    with topics_of_its_own(broker, "e2e") as prefix:
        with (folder / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "pushline.cli", "up", str(config), "--given", "--free-ports", "--json"]
            up = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**environment(), **given(broker, store, prefix)}
            )
        yield from _followed(up, folder, repositories)


def given(broker: BrokerAddress, store: StoreAddress, prefix: str) -> dict[str, str]:
    """Give the settings by which a line is told its broker and store."""
    return {
        "PUSHLINE_KAFKA": broker.bootstrap,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in broker.options.items()),
        "PUSHLINE_TOPIC_PREFIX": prefix,
        **{f"PUSHLINE_S3_{name.upper()}": value for name, value in store._asdict().items()},
    }


def _followed(up: "subprocess.Popen[bytes]", folder: Path, repositories: Mapping[str, Repository]) -> Iterator[RunningLine]:
    assert up.stdout is not None
    try:
        first = up.stdout.readline()
        assert first, (folder / "up.log").read_text()
        with line_at(Path(json.loads(first)["line"]), repositories) as line:
            yield line
    finally:
        up.terminate()
        up.stdout.close()
        assert up.wait(40) == 0


@contextmanager
def line_at(file: Path, repositories: Mapping[str, Repository]) -> Iterator[RunningLine]:
    told = json.loads(file.read_text())
    store = told["store"]
    log = KafkaLog(told["kafka"], told["topic_prefix"], told["kafka_options"])
    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    objects = MinioStore(store["endpoint"], store["bucket"], store["access_key"], store["secret_key"], store["region"])
    line = RunningLine(file, tail, log, objects, repositories)
    try:
        until(lambda: line.tail.problem == "", 60, "the tail")
        yield line
    finally:
        tail.stop()
        log.close()


def bare_repository(folder: Path, model: str) -> Repository:
    bare, clone = folder / f"{model}.git", folder / model
    for command in (["init", "--quiet", "--bare", "--initial-branch=main", str(bare)], ["clone", "--quiet", str(bare), str(clone)]):
        subprocess.run(["git", *command], check=True, capture_output=True, env={**environment(), **GIT})
    return Repository(model, bare, clone)


def _operators_file(folder: Path, models: Mapping[str, str], addresses: Mapping[str, str]) -> Path:
    (folder / "secrets").mkdir(mode=0o700)
    parts = []
    for name, further in models.items():
        (folder / "secrets" / name).write_text(secret_of(name).decode())
        (folder / "secrets" / name).chmod(0o600)
        table = f'[[models]]\nname = "{name}"\nrepository = "{addresses[name]}"\nbranch = "main"\n'
        secrets = "" if "webhook_secret_files" in further else f'webhook_secret_files = ["secrets/{name}"]\n'
        parts.append(f'{table}{secrets}reconcile_interval = "1h"\n{further}\n')
    path = folder / "line.toml"
    path.write_text("\n".join(parts) + '\n[up]\nstate = "state"\n')
    path.chmod(0o600)
    return path


def environment() -> dict[str, str]:
    return dict(os.environ)  # noqa: TID251 - PATH and the like for children


def tree(folder: Path, *, without: Callable[[Path], bool] = lambda _: False) -> dict[str, bytes]:
    """Read a folder as files to push."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts and not without(path))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def secret_of(model: str) -> bytes:
    return f"a secret of {model} that is long enough".encode()
