"""The process of a predictor: read the settings, build, run. __main__.py starts it."""

import gc
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pushline.predictor.adapters.kafka_later import KafkaLater
from pushline.predictor.adapters.preparer import Preparer
from pushline.predictor.loading import bounds
from pushline.predictor.service import Service, let_go
from pushline.predictor.settings import SWITCH_SECONDS, Settings
from pushline.runtime import logs, ports_file
from pushline.runtime.logs import Logger
from pushline.runtime.process_gauges import ProcessGauges
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer


def run(settings: Settings, log: Logger, environ: Mapping[str, str]) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    shutdown = Shutdown()
    shutdown.install()
    process = settings.process
    line = KafkaLater(settings.line, process.kafka_options)
    service = Service(settings, line, preparer(settings), log, environ)
    ProcessGauges(service.health, {"cache": settings.cache, "temporary": Path(tempfile.gettempdir())}, service.registry)
    status = StatusServer(process.bind, process.metrics_port, service.health, service.registry)
    status.start()
    service.start()
    gc.freeze()  # what is there by now stays: no collection is to walk through it while requests wait
    gc.enable()
    ports_file.announce(log, {"grpc": service.door.port, "rest": service.rest.port, "metrics": status.port}, process.ports_file)
    shutdown.wait()
    log.info("stopping")
    service.stop()
    status.stop()
    let_go(line.close)


def preparer(settings: Settings, **limits: float) -> Preparer:
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
    return Preparer(told, **limits)


def main(environ: Mapping[str, str]) -> int:
    """Give the exit code."""
    log = logs.configure("pushline-predictor")
    try:
        run(read(Settings, environ), log, environ)
    except (SettingsError, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
