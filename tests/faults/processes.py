"""A line whose processes are held one by one: each can be killed, frozen, stopped and started again, broker and store too."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pushline.cli import supervisor
from pushline.cli.line_file import LineFile, WatchedModel, write_line_file
from pushline.cli.service_settings import HOST, LineToServe, services_of
from pushline.cli.supervisor import Child
from pushline.client import Client, PredictionFailed
from pushline.line.ledger import Ledger, Run
from pushline.line.writer import Writer
from tests.e2e.running_line import Repository, RunningLine, bare_repository, environment, line_at, secret_of
from tests.faults import repositories
from tests.faults.places import Place, Server
from tests.faults.procfs import processes, told
from tests.faults.services import READY_SECONDS, Service
from tests.waiting import until

RUN_SECONDS = 60.0
STAGES = ("trainer", "evaluator", "deployer")
ALL = (*STAGES, "predictor", "auditor")


@dataclass
class FaultLine:
    seen: RunningLine
    services: dict[str, Service]
    folder: Path
    broker_pid: int = 0
    store_pid: int = 0
    servers: Mapping[str, Server] = field(default_factory=dict)  # broker and store, where they may be killed
    factors: dict[str, float] = field(default_factory=dict)  # run → what its model multiplies by

    @property
    def repositories(self) -> Mapping[str, Repository]:
        return self.seen.repositories

    def start(self, names: Sequence[str] = ()) -> None:
        """Start those that do not run, and wait until they are ready to work."""
        chosen = [service for name, service in self.services.items() if name in (names or self.services) and service.child.ended]
        for service in chosen:
            service.start()
        for service in chosen:
            service.listening()
        for service in chosen:
            if service.child.service.name != "predictor":  # not ready before something is served
                service.ready()

    def kill(self, names: Sequence[str] = ()) -> None:
        """SIGKILL to all of them at one moment, broker and store too where they are named."""
        chosen = [service for name, service in self.services.items() if name in (names or self.services)]
        for service in chosen:
            os.kill(service.pid, signal.SIGKILL)
        for name in set(names) & set(self.servers):
            self.servers[name].kill()
        for service in chosen:
            assert service.child.wait(10)

    def start_again(self, names: Sequence[str]) -> None:
        """Start what was killed, servers first, and wait until it listens: what it says of itself is not asked."""
        for name in names:
            if name in self.servers:
                self.servers[name].start()
        chosen = [self.services[name] for name in names if name in self.services]
        for service in chosen:
            service.start()
        for service in chosen:
            service.listening()

    def all_ready(self, seconds: float = READY_SECONDS) -> None:
        """A predictor is left out: it is not ready before something is served."""
        for name in set(STAGES) & set(self.services):
            self.services[name].ready(seconds)

    def another(self, name: str, of: str, command: Sequence[str] = (), **environ: str) -> Service:
        """Start one more of a kind, with ports, folders and log of its own. `command` stands for the service's own."""
        like = self.services[of].child.service
        work = self.folder / "state" / "work" / name
        work.mkdir()
        own = {"PUSHLINE_WORK": str(work), "PUSHLINE_CACHE": str(work / "cache"), "TMPDIR": str(work), "PUSHLINE_REPLICA": name}
        ports, log = like.ports_file.with_name(f"{name}.json"), like.log.with_name(f"{name}.log")
        own |= {"PUSHLINE_PORTS_FILE": str(ports), **environ}
        told = replace(like, name=name, environ={**like.environ, **own}, ports_file=ports, log=log, command=command or like.command)
        service = Service(Child(told))
        self.services[name] = service  # so that it ends with the line
        service.start()
        service.listening()
        return service

    def push(self, model: str, factor: float, *, gated: bool = False) -> str:
        """Push a good model and tell the trainer; give the run that it answered."""
        run_id = self.seen.push(model, repositories.good(factor, gated=gated), f"times {factor}")
        self.factors[run_id] = factor
        return run_id

    def run_of(self, model: str, sha: str) -> str:
        """Give the newest push's run, if it is of this commit; "" else."""
        with self.seen.tail.read() as ledger:
            newest = ledger.line(model).newest_push
            return newest.event.run_id if newest is not None and newest.event.commit.sha == sha else ""

    def run(self, run_id: str) -> Run:
        with self.seen.tail.read() as ledger:
            run = ledger.runs.get(run_id)
        assert run is not None, f"run {run_id} is not in the log"
        return run

    def has(self, run_id: str, topic: str) -> bool:
        with self.seen.tail.read() as ledger:
            return _has(ledger, run_id, topic)

    def reached(self, run_id: str, topic: str, seconds: float = RUN_SECONDS) -> None:
        """Wait until the run has a valid record on this topic."""
        self.seen.tail.wait_until(lambda ledger: _has(ledger, run_id, topic) or None, seconds)

    def deployed(self, run_id: str, seconds: float = RUN_SECONDS) -> Run:
        try:
            run = self.seen.ended(run_id, seconds)
        except TimeoutError:
            raise AssertionError(f"waited {seconds} s in vain for the outcome of run {run_id}") from None
        assert run.outcome == "deployed", f"{run.outcome} {run.reason}: {run.sentence}"
        return run

    def answers(self, model: str, run_id: str, seconds: float = RUN_SECONDS) -> None:
        """Wait until the predictor's answers come from this run's model, and are that model's."""
        digest = self.run(run_id).slot
        assert digest is not None
        with Client(self.seen.grpc) as client:
            until(lambda: _digest(client, model) == digest.event.digest, seconds, f"answers of run {run_id}")
            answer = client.predict(repositories.X, model=model)
        assert answer.y.tolist() == [[self.factors[run_id] * x for x in repositories.X[0][:3]]]

    def waits_for_the_gate(self, run_id: str) -> None:
        """Wait until the script of this run runs in its sandbox."""
        until(
            lambda: any(run_id in told(pid, "mountinfo") and "launch.py" in told(pid, "cmdline") for pid in self.sandboxed()),
            RUN_SECONDS,
            "the script",
        )

    def sandboxed(self) -> list[int]:
        """Give every process of a sandbox of this line, whoever is its parent by now: its root shows this line's checkout."""
        shown = "/".join(self.services["trainer"].work.parts[-5:]) + "/trainings/"
        return [
            pid
            for pid in processes()
            if shown in told(pid, "mountinfo") or ("bwrap" in told(pid, "cmdline") and shown in told(pid, "cmdline"))
        ]

    def no_sandbox_left(self) -> None:
        until(lambda: not self.sandboxed(), 5, "the end of every process of the sandbox")

    @property
    def writer(self) -> Writer:
        return Writer(self.seen.log, self.seen.tail, "test/person")


def _digest(client: Client, model: str) -> str:
    try:
        return client.predict(repositories.X, model=model).digest
    except PredictionFailed:
        return ""


def _has(ledger: Ledger, run_id: str, topic: str) -> bool:
    run = ledger.runs.get(run_id)
    if run is None:
        return False
    if topic == "served":
        return any(entry.event.run_id == run_id for entry in run.line.served.values())
    found = {"commit": run.push, "trained": run.trained, "evaluated": run.evaluated, "deployed": run.slot}[topic]
    return bool(found)


@dataclass(frozen=True)
class Wish:
    """A line to be made. `models`: name → further lines of its table in the operator's file."""

    models: Mapping[str, str]
    python: Path = Path("/nonexistent")
    services: tuple[str, ...] = ALL
    emit_secret: str = "emit secret of the fault tests"
    environ: Mapping[str, str] = field(default_factory=dict)
    environ_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by service
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by service, in place of its own
    git_host: str = ""  # in front of every repository's name; empty: the folder where they lie


@contextmanager
def fault_line(folder: Path, place: Place, wish: Wish) -> Iterator[FaultLine]:
    """Run all five services, each held by a handle. What still runs at the end is killed."""
    folder.mkdir(exist_ok=True)
    repositories_of = {name: bare_repository(folder, name) for name in wish.models}
    state = folder / "state"
    state.mkdir(mode=0o700)
    file, kafka = _operators_file(folder, wish), (dict(place.kafka_options), place.topic_prefix)
    serve = LineToServe(place.kafka, place.store, wish.emit_secret, file, state, *kafka, place.is_real)
    # No TensorFlow: these models have their programs, and its import would take longer than all else of a run.
    ours = {"PUSHLINE_TRAINING_PYTHON": str(wish.python), "PUSHLINE_TENSORFLOW_PYTHON": "", "PUSHLINE_DRAIN": "0s"}
    made = services_of(serve, environment(), free_ports=True)
    children = {each.name: _wished(each, ours, wish) for each in made if each.name in wish.services}
    try:
        for service in children.values():
            service.start()
        for service in children.values():
            service.listening()
        ports = {name: service.child.ports for name, service in children.items()}
        models = {name: WatchedModel(f"{wish.git_host or folder}/{name}.git", "main") for name in repositories_of}
        told = LineFile(os.getpid(), place.kafka, *kafka, place.store, HOST, ports, models, str(state), wish.emit_secret)
        write_line_file(state / "line.json", told)
        with line_at(state / "line.json", repositories_of) as seen:
            line = FaultLine(seen, children, folder, place.broker_pid, place.store_pid, place.servers)
            for name in set(STAGES) & set(wish.services):
                line.services[name].ready()
            yield line
    finally:
        for service in children.values():
            service.child.kill_group()
            service.child.wait(10)


def _wished(each: supervisor.Service, ours: Mapping[str, str], wish: Wish) -> Service:
    environ = {**each.environ, **ours, **wish.environ, **wish.environ_of.get(each.name, {})}
    return Service(Child(replace(each, environ=environ, command=wish.commands.get(each.name, each.command))))


def _operators_file(folder: Path, wish: Wish) -> Path:
    (folder / "secrets").mkdir(mode=0o700)
    parts = []
    for name, further in wish.models.items():
        (folder / "secrets" / name).write_text(secret_of(name).decode())
        (folder / "secrets" / name).chmod(0o600)
        interval = "" if "reconcile_interval" in further else 'reconcile_interval = "1h"\n'
        table = f'[[models]]\nname = "{name}"\nrepository = "{wish.git_host or folder}/{name}.git"\nbranch = "main"\n{interval}'
        parts.append(f'{table}webhook_secret_files = ["secrets/{name}"]\n{further}\n')
    path = folder / "line.toml"
    path.write_text("\n".join(parts))
    path.chmod(0o600)
    return path
