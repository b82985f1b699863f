"""Runs the predictor: read settings, build, run until a signal asks for a stop."""

import os
import sys

from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from pushline.predictor.service import Service, let_go
from pushline.predictor.settings import Settings
from pushline.runtime import logs, ports_file
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer


def main() -> int:
    shutdown = Shutdown()
    shutdown.install()
    try:
        run(read(Settings, os.environ), shutdown)
    except (SettingsError, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(settings: Settings, shutdown: Shutdown) -> None:
    logger = logs.configure("predictor")
    process, store = settings.process, settings.store
    log = KafkaLog(settings.line.kafka, settings.line.topic_prefix, process.kafka_options)
    objects = MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    service = Service(settings, log, objects, logger)
    status = StatusServer(process.bind, process.metrics_port, service.health, service.registry)
    status.start()
    service.start()
    ports_file.announce(logger, {"grpc": service.door.port, "metrics": status.port}, process.ports_file)
    shutdown.wait()
    logger.info("stopping")
    service.stop()
    status.stop()
    let_go(log.close)


if __name__ == "__main__":
    sys.exit(main())
