"""The predictor: hears `deployed`, serves it, says `served`. Read the settings, build, run."""

import gc
import os
import sys
from dataclasses import asdict

from pushline.predictor.adapters.kafka_later import KafkaLater
from pushline.predictor.adapters.preparer import IDLE_SECONDS, Preparer
from pushline.predictor.service import Service, bounds, let_go
from pushline.predictor.settings import Settings
from pushline.runtime import logs, ports_file
from pushline.runtime.logs import Logger
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer

SWITCH_SECONDS = 0.0005  # that a thread which loads may keep the interpreter to itself while one that answers waits for it


def run(settings: Settings, log: Logger) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    shutdown = Shutdown()
    shutdown.install()
    process = settings.process
    line = KafkaLater(settings.line, process.kafka_options)
    service = Service(settings, line, preparer(settings), log)
    status = StatusServer(process.bind, process.metrics_port, service.health, service.registry)
    status.start()
    service.start()
    gc.freeze()  # what is there by now stays: no collection is to walk through it while requests wait
    ports_file.announce(log, {"grpc": service.door.port, "rest": service.rest.port, "metrics": status.port}, process.ports_file)
    shutdown.wait()
    log.info("stopping")
    service.stop()
    status.stop()
    let_go(line.close)


def preparer(settings: Settings, idle_seconds: float = IDLE_SECONDS) -> Preparer:
    store = settings.store
    told = {
        "store": {
            "endpoint_url": store.endpoint,
            "bucket": store.bucket,
            "access_key": store.access_key,
            "secret_key": store.secret_key,
            "region": store.region,
        },
        "cache": str(settings.cache),
        "threads": settings.door.threads,
        "bounds": asdict(bounds(settings)),
    }
    return Preparer(told, idle_seconds)


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
