"""The deployer: hears `evaluated`, says `deployed`. Read the settings, build, run."""

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from pushline.deployer.adapters.stored_files import StoredFiles
from pushline.deployer.metrics import ServedReports
from pushline.deployer.on_evaluated import OnEvaluated
from pushline.deployer.ports import ModelFiles
from pushline.deployer.promotion import Deployment, less, next_deployments
from pushline.deployer.settings import Settings
from pushline.line.broker import Log
from pushline.line.deadletters import MOST_IN_A_ROW, DeadLetters, OpenLetters
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement, Ledger
from pushline.line.open_work import glance
from pushline.line.records import Record
from pushline.line.snapshot_file import SnapshotFile
from pushline.line.snapshots import Snapshots
from pushline.line.stage import Stage
from pushline.line.tail import Tail
from pushline.line.topics import EVALUATED, inputs_of, read_by
from pushline.line.writer import Writer
from pushline.objects.minio_store import MinioStore
from pushline.objects.store_watch import StoreWatch
from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.logs import Logger
from pushline.runtime.process_gauges import ProcessGauges
from pushline.runtime.scratch import scratch
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.stage_report import RecordCounter, StageReporter
from pushline.runtime.status_server import CannotListen, StatusServer

GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Deployer:
    tail: Tail
    stage: Stage[Deployment]

    def start(self) -> None:
        self.tail.start()
        self.stage.start()

    def stop(self) -> None:
        self.stage.stop(GRACE_SECONDS)
        self.tail.stop()


def build(
    line: Log,
    files: ModelFiles,
    log: Logger,
    registry: CollectorRegistry,
    health: Health,
    *,
    file: SnapshotFile | None = None,
    bad_records: int = MOST_IN_A_ROW,
) -> Deployer:
    letters = DeadLetters(line, inputs_of("deployer"), bad_records)
    served, counter = ServedReports(log, registry), RecordCounter(registry)

    def note(record: Record, judgements: tuple[Judgement, ...]) -> None:
        letters.note(record, judgements)
        served.note(judgements)
        counter.note(judgements)
        stage.wake()

    def restored(ledger: Ledger, open_letters: OpenLetters) -> None:
        letters.begin(open_letters)
        served.begin(ledger.models.values())
        counter.begin(ledger.counts, ledger.broken_rules)

    tail = Tail(line, read_by("deployer"), on_fold=note, snapshots=Snapshots.of(file, lambda: letters.open, restored))
    stage = Stage(
        name="deployer",
        hears=EVALUATED,
        log=line,
        tail=tail,
        writer=Writer(line, tail, "pushline/deployer"),
        decide=next_deployments,
        work=OnEvaluated(files),
        max_workers=8,
        report=StageReporter(log, registry),
        dead_letters=letters,
        less=less,
    )
    LineGauges(partial(glance, tail.read), registry)
    health.watch("line", lambda: tail.problem)
    health.watch("work", lambda: stage.problem)
    health.watch("replicas", lambda: _behind(tail))
    return Deployer(tail, stage)


def _behind(tail: Tail) -> str:
    with tail.read() as ledger:
        behind = sorted(line.name for line in ledger.models.values() if line.behind_served)
    return (
        f"a replica serves a deploy_seq that the log does not know: {', '.join(behind)}; a rollback or redeploy decides"
        if behind
        else ""
    )


def run(settings: Settings, log: Logger) -> None:
    health, registry, shutdown = Health(), CollectorRegistry(), Shutdown()
    shutdown.install()
    at = settings.line
    line = KafkaLog(at.kafka, at.topic_prefix, settings.process.kafka_options, replica=at.replica, check_topics=at.check_topics)
    s3 = settings.store
    store = MinioStore(s3.endpoint, s3.bucket, s3.access_key, s3.secret_key, s3.region)
    file = SnapshotFile.where(settings.snapshots.folder, lambda problem: log.warning("snapshot", sentence=problem))
    deployer = build(line, StoredFiles(store), log, registry, health, file=file, bad_records=at.bad_records)
    watch = StoreWatch(store, writes=False, tell=lambda problem: log.warning("store", sentence=problem))
    health.watch("store", lambda: watch.problem)
    folders = {"snapshots": settings.snapshots.folder, "temporary": Path(tempfile.gettempdir())}
    ProcessGauges(health, folders, registry)
    status = StatusServer(settings.process.bind, settings.process.metrics_port, health, registry)
    status.start()
    watch.start()
    deployer.start()
    ports_file.announce(log, {"metrics": status.port}, settings.process.ports_file)
    shutdown.wait()
    log.info("stopping")
    deployer.stop()
    watch.stop()
    status.stop()
    line.close()


def main() -> int:
    log = logs.configure("pushline-deployer")
    try:
        settings = read(Settings, os.environ)
        with scratch("deployer"):
            run(settings, log)
    except (SettingsError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
