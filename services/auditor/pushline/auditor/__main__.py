"""The auditor: hears everything, shows it, tells forges of it, and writes nothing to the log. Read the settings, build, run."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from pushline.auditor.app import make_app
from pushline.auditor.forge.desks import Desks, Office
from pushline.auditor.forge.opening import BadForge, Opening, Opens
from pushline.auditor.forge.ports import Reports
from pushline.auditor.forge.report import ForgeLog
from pushline.auditor.forge.reports import EventReports, StoredReports
from pushline.auditor.history import History
from pushline.auditor.metrics import AuditGauges, ForgeMetrics, exposition_of
from pushline.auditor.settings import ReportStore, Settings
from pushline.line.broker import Log
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement
from pushline.line.open_work import glance
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects.minio_store import MinioStore
from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health
from pushline.runtime.http_server import HttpServer
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.logs import Logger
from pushline.runtime.process_gauges import ProcessGauges
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.stage_report import RecordCounter
from pushline.runtime.status_server import CannotListen

GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told to forges, and with what."""

    opening: Opens
    reports: Reports
    public_url: str
    log: Logger


@dataclass(frozen=True, slots=True)
class Auditor:
    tail: Tail
    app: ASGIApp
    desks: Desks | None

    def start(self) -> None:
        self.tail.start()
        if self.desks is not None:
            self.desks.start()

    def stop(self) -> None:
        if self.desks is not None:
            self.desks.stop(GRACE_SECONDS)
        self.tail.stop()


def build(line: Log, now_ms: Callable[[], int], telling: Telling | None = None) -> Auditor:
    """Raises BadForge."""
    health, registry = Health(), CollectorRegistry()
    history, counter, forges = History(now_ms), RecordCounter(registry), ForgeMetrics(registry)

    def note(record: Record, judgements: tuple[Judgement, ...]) -> None:
        history.note(record, judgements)
        counter.note(judgements)
        if desks is not None:
            desks.wake({judgement.entry.event.model for judgement in judgements if judgement.entry is not None})

    tail = Tail(line, TOPIC_NAMES, note, history.reset)
    desks = _desks(line, tail, telling, forges) if telling is not None else None
    AuditGauges(tail, history, registry)
    LineGauges(partial(glance, tail.read), registry)
    ProcessGauges(health, {}, registry)
    health.watch("line", lambda: tail.problem)
    notes = (lambda: desks.problems) if desks is not None else dict
    return Auditor(tail, make_app(tail, history, health, exposition_of(registry), notes), desks)


def _desks(line: Log, tail: Tail, telling: Telling, metrics: ForgeMetrics) -> Desks:
    def page(run_id: str) -> str:
        return f"{telling.public_url}/runs/{run_id}" if telling.public_url else ""

    desks = Desks(Office(line, tail, telling.opening, telling.reports, page, ForgeLog(telling.log, metrics)))
    metrics.watch(lambda: desks.waiting)
    desks.open()
    return desks


def run(settings: Settings, log: Logger) -> None:
    shutdown = Shutdown()
    shutdown.install()
    process, at, forge = settings.process, settings.line, settings.forge
    line = KafkaLog(at.kafka, at.topic_prefix, process.kafka_options, replica=at.replica, check_topics=at.check_topics)
    telling = Telling(Opening(forge.config), _reports(forge.store), forge.public_url, log) if forge.config is not None else None
    auditor = build(line, lambda: int(time.time() * 1000), telling)
    server = HttpServer(process.bind, process.http_port, auditor.app, setting="PUSHLINE_HTTP_PORT", drain_seconds=GRACE_SECONDS)
    server.start()
    auditor.start()
    ports_file.announce(log, {"http": server.port}, process.ports_file)
    shutdown.wait()
    log.info("stopping")
    server.stop()
    auditor.stop()
    line.close()


def _reports(store: ReportStore) -> Reports:
    if not store.is_given:
        return EventReports()
    return StoredReports(MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region))


def main() -> int:
    log = logs.configure("pushline-auditor")
    try:
        run(read(Settings, os.environ), log)
    except (SettingsError, CannotListen, BadForge) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
