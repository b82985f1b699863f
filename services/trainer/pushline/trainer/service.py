"""The trainer put together from its parts, and the order in which they start and stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from pushline.line.broker import Log
from pushline.line.deadletters import MOST_IN_A_ROW, DeadLetters, OpenLetters
from pushline.line.ledger import Judgement, Ledger
from pushline.line.open_work import glance
from pushline.line.records import Record
from pushline.line.snapshot_file import SnapshotFile
from pushline.line.snapshots import Snapshots
from pushline.line.stage import Stage
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, inputs_of, read_by
from pushline.line.writer import Writer
from pushline.runtime.health import Health
from pushline.runtime.http_server import HttpServer
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.logs import Logger
from pushline.runtime.operator_file import ModelConfig
from pushline.runtime.stage_report import RecordCounter, StageReporter
from pushline.trainer import trained_event
from pushline.trainer.look import LAG_SECONDS, Look, SharedLook
from pushline.trainer.metrics import Metrics
from pushline.trainer.on_commit import Hindrances, OnCommit
from pushline.trainer.poller import Poller
from pushline.trainer.ports import Heads, Trainer
from pushline.trainer.recipe import Recipe, Task
from pushline.trainer.reports import LookLog, UnknownModels, WebhookLog
from pushline.trainer.webhook.app import MAX_BYTES, ReceiveLimits, make_app
from pushline.trainer.webhook.bitbucket import BitbucketForm
from pushline.trainer.webhook.forms import Form, GitHubForm, PushlineForm
from pushline.trainer.webhook.gitea import GiteaForm
from pushline.trainer.webhook.gitlab import GitLabForm
from pushline.trainer.webhook.intake import Intake
from pushline.trainer.webhook.secrets import Secrets

if TYPE_CHECKING:
    from pushline.trainer.webhook.signature import Keyring

SOURCE = "pushline/trainer"
Doors = dict[str, tuple[Form, "Keyring"]]  # by the last word of their path
ANSWERS_AT_ONCE = 4  # threads for `superseded`, beside those that train


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings say, apart from who is talked to."""

    models: tuple[ModelConfig, ...]
    bind: str
    webhook_port: int
    max_trainings: int = 1
    max_bytes: int = MAX_BYTES
    emit_secret: bytes = field(default=b"", repr=False)
    grace_seconds: float = 10.0
    lag_seconds: float = LAG_SECONDS
    bad_records: int = MOST_IN_A_ROW
    config: Path | None = None  # the operator's file, whose secrets are read again when they change


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every process has."""

    log: Logger
    registry: CollectorRegistry
    health: Health
    snapshots: SnapshotFile | None = None


@dataclass(frozen=True, slots=True)
class TrainerService:
    """start(), stop()."""

    tail: Tail
    stage: Stage[Task]
    pollers: tuple[Poller, ...]
    intake: Intake
    webhooks: HttpServer
    secrets: Secrets
    stopping: threading.Event
    grace_seconds: float

    def start(self) -> None:
        """Raises CannotListen."""
        self.secrets.start()
        self.webhooks.start()
        self.tail.start()
        self.stage.start()
        for poller in self.pollers:
            poller.start()

    def stop(self) -> None:
        """Answer what was received, stop trainings; what is open then is open work of the next start."""
        self.stopping.set()
        self.intake.end()
        self.webhooks.stop()
        self.secrets.stop()
        self.stage.stop(self.grace_seconds)
        for poller in self.pollers:
            poller.stop(0.5)  # one that waits for a forge goes down with the process
        self.tail.stop()


def build(wishes: Wishes, line: Log, heads: Heads, trainer: Trainer, around: Surroundings) -> TrainerService:
    metrics, stopping = Metrics(around.registry), threading.Event()
    letters = DeadLetters(line, inputs_of("trainer"), wishes.bad_records)
    tail, wake = _tail(wishes, line, letters, around)
    writer = Writer(line, tail, SOURCE)
    stage = _stage(wishes, line, (tail, writer), trainer, letters, around)
    wake.append(stage.wake)
    looks = {
        model.name: LookLog(
            model.name, SharedLook(Look(model, heads, tail, writer, stopping, wishes.lag_seconds)), around.log, metrics
        )
        for model in wishes.models
    }
    pollers = tuple(
        Poller(model.name, model.reconcile_interval_seconds, looks[model.name], around.health) for model in wishes.models
    )
    intake = Intake(looks, wishes.lag_seconds)
    secrets = Secrets(wishes.config, wishes.models, wishes.emit_secret, around.log)
    doors = _doors(wishes, secrets)
    metrics.begin(doors, looks)
    webhooks = _webhooks(wishes, doors, intake, WebhookLog(around.log, metrics))
    LineGauges(partial(glance, tail.read), around.registry)
    around.health.watch("line", lambda: tail.problem)
    around.health.watch("work", lambda: stage.problem)
    return TrainerService(tail, stage, pollers, intake, webhooks, secrets, stopping, wishes.grace_seconds)


def _tail(wishes: Wishes, line: Log, letters: DeadLetters, around: Surroundings) -> tuple[Tail, list[Callable[[], None]]]:
    """Give the tail, and a list of what it calls after every record."""
    counter = RecordCounter(around.registry)
    unknown = UnknownModels(around.log, [model.name for model in wishes.models])
    wake: list[Callable[[], None]] = []

    def note(record: Record, judgements: tuple[Judgement, ...]) -> None:
        letters.note(record, judgements)
        counter.note(judgements)
        unknown.note(judgements)
        for call in wake:
            call()

    def restored(ledger: Ledger, open_letters: OpenLetters) -> None:
        letters.begin(open_letters)
        counter.begin(ledger.counts, ledger.broken_rules)
        unknown.begin(line.name for line in ledger.models.values() if line.pushes)

    snapshots = Snapshots.of(around.snapshots, lambda: letters.open, restored)
    return Tail(line, read_by("trainer"), on_fold=note, snapshots=snapshots), wake


def _stage(
    wishes: Wishes, line: Log, folded: tuple[Tail, Writer], trainer: Trainer, letters: DeadLetters, around: Surroundings
) -> Stage[Task]:
    tail, writer = folded
    hindrances = Hindrances()
    recipe = Recipe({model.name: model for model in wishes.models}, wishes.max_trainings, hindrances)
    return Stage(
        name="trainer",
        hears=COMMIT,
        log=line,
        tail=tail,
        writer=writer,
        decide=recipe,
        work=OnCommit(recipe, trainer, tail.read, hindrances),
        max_workers=wishes.max_trainings + len(wishes.models) + ANSWERS_AT_ONCE,  # what waits for trouble to pass takes no place
        report=StageReporter(around.log, around.registry),
        dead_letters=letters,
        less=trained_event.less,
    )


def _doors(wishes: Wishes, secrets: Secrets) -> Doors:
    models = wishes.models
    return {
        "github": (GitHubForm(models), secrets.forges),
        "gitlab": (GitLabForm(models), secrets.forges),
        "gitea": (GiteaForm(models), secrets.forges),
        "bitbucket": (BitbucketForm(models), secrets.forges),
        "pushline": (PushlineForm(models), secrets.own),
    }


def _webhooks(wishes: Wishes, doors: Doors, intake: Intake, report: WebhookLog) -> HttpServer:
    app = make_app(doors, intake, ReceiveLimits(max_bytes=wishes.max_bytes), report)
    drain_seconds = max(1, int(wishes.grace_seconds))
    return HttpServer(wishes.bind, wishes.webhook_port, app, setting="PUSHLINE_WEBHOOK_PORT", drain_seconds=drain_seconds)
