"""The trainer: hears `commit`, says `trained`; looks where the branches stand. Read the settings, build, run."""

import os
import sys
import tempfile
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health
from pushline.runtime.operator_file import OperatorFile, OperatorFileError, read_operator_file
from pushline.runtime.settings import SettingsError, StoreSettings, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.sandbox.box import Sandbox
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.ladder import Ladder
from pushline.trainer.sandbox.unboxed import Unboxed
from pushline.trainer.sandbox.unshare import Unshare
from pushline.trainer.service import Surroundings, Wishes, build
from pushline.trainer.settings import Settings
from pushline.trainer.training import Training


def run(settings: Settings, file: OperatorFile, log: structlog.BoundLogger) -> None:
    shutdown, around = Shutdown(), Surroundings(log, CollectorRegistry(), Health())
    shutdown.install()
    line = KafkaLog(settings.line.kafka, settings.line.topic_prefix, settings.process.kafka_options)
    work = _work(settings)
    forge = GitRemote(work)
    training = Training(_store(settings.store), forge, _sandbox(settings, work, log), work)
    training.prepare()
    service = build(_wishes(settings, file), line, forge, training, around)
    status = StatusServer(settings.process.bind, settings.process.metrics_port, around.health, around.registry)
    status.start()
    service.start()
    ports_file.announce(log, {"metrics": status.port, "webhook": service.webhooks.port}, settings.process.ports_file)
    shutdown.wait()
    log.info("stopping")
    service.stop()
    status.stop()
    line.close()


def _wishes(settings: Settings, file: OperatorFile) -> Wishes:
    return Wishes(
        models=file.models,
        bind=settings.process.bind,
        webhook_port=settings.webhook.port,
        max_trainings=settings.max_trainings,
        max_bytes=settings.webhook.max_bytes,
        emit_secret=settings.webhook.emit_secret,
        grace_seconds=settings.grace_seconds,
    )


def _store(store: StoreSettings) -> MinioStore:
    return MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)


def _work(settings: Settings) -> Path:
    work = settings.work.absolute()
    try:
        work.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=work).close()
    except OSError as error:
        raise SettingsError((f"PUSHLINE_WORK: {work} cannot be written: {error.strerror}",)) from None
    return work


def _sandbox(settings: Settings, work: Path, log: structlog.BoundLogger) -> Sandbox:
    if settings.sandbox == "off":
        log.warning("PUSHLINE_SANDBOX=off: scripts of committers run unconfined, with the rights of this process")
        return Unboxed(settings.training_python, work)
    rungs: dict[str, Sandbox] = {each.name: each for each in _rungs(settings.training_python, work)}
    return Ladder(list(rungs.values())) if settings.sandbox == "auto" else rungs[settings.sandbox]


def _rungs(python: Path, work: Path) -> tuple[Sandbox, ...]:
    return Bubblewrap(python, work), Unshare(python, work)


def main() -> int:
    log = logs.configure("pushline-trainer")
    try:
        settings = read(Settings, os.environ)
        run(settings, read_operator_file(settings.config), log)
    except (SettingsError, OperatorFileError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
