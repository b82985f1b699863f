"""The auditor: hears everything, says nothing, shows it. Read the settings, build, run."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from pushline.auditor.app import make_app
from pushline.auditor.history import History
from pushline.auditor.metrics import AuditGauges, exposition_of
from pushline.auditor.settings import Settings
from pushline.line.broker import Log
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health
from pushline.runtime.http_server import HttpServer
from pushline.runtime.logs import Logger
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.stage_report import RecordCounter
from pushline.runtime.status_server import CannotListen

GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Auditor:
    tail: Tail
    app: ASGIApp


def build(line: Log, now_ms: Callable[[], int]) -> Auditor:
    health, registry = Health(), CollectorRegistry()
    history, counter = History(now_ms), RecordCounter(registry)

    def note(record: Record, judgements: tuple[Judgement, ...]) -> None:
        history.note(record, judgements)
        counter.note(judgements)

    tail = Tail(line, TOPIC_NAMES, note, history.reset)
    AuditGauges(tail, history, registry)
    health.watch("line", lambda: tail.problem)
    return Auditor(tail, make_app(tail, history, health, exposition_of(registry)))


def run(settings: Settings, log: Logger) -> None:
    shutdown = Shutdown()
    shutdown.install()
    process = settings.process
    at = settings.line
    line = KafkaLog(at.kafka, at.topic_prefix, process.kafka_options, check_topics=at.check_topics)
    auditor = build(line, lambda: int(time.time() * 1000))
    server = HttpServer(process.bind, process.http_port, auditor.app, setting="PUSHLINE_HTTP_PORT", drain_seconds=GRACE_SECONDS)
    server.start()
    auditor.tail.start()
    ports_file.announce(log, {"http": server.port}, process.ports_file)
    shutdown.wait()
    log.info("stopping")
    server.stop()
    auditor.tail.stop()
    line.close()


def main() -> int:
    log = logs.configure("pushline-auditor")
    try:
        run(read(Settings, os.environ), log)
    except (SettingsError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
