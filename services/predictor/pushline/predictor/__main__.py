"""The predictor: hears `deployed`, serves it, says `served`. Read the settings, build, run."""

import os
import sys

import structlog

from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from pushline.predictor.service import Service, let_go
from pushline.predictor.settings import Settings
from pushline.runtime import logs, ports_file
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer


def run(settings: Settings, log: structlog.BoundLogger) -> None:
    shutdown = Shutdown()
    shutdown.install()
    process, store = settings.process, settings.store
    at = settings.line
    line = KafkaLog(at.kafka, at.topic_prefix, process.kafka_options, check_topics=at.check_topics)
    objects = MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    service = Service(settings, line, objects, log)
    status = StatusServer(process.bind, process.metrics_port, service.health, service.registry)
    status.start()
    service.start()
    ports_file.announce(log, {"grpc": service.door.port, "rest": service.rest.port, "metrics": status.port}, process.ports_file)
    shutdown.wait()
    log.info("stopping")
    service.stop()
    status.stop()
    let_go(line.close)


def main() -> int:
    log = logs.configure("pushline-predictor")
    try:
        run(read(Settings, os.environ), log)
    except (SettingsError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
