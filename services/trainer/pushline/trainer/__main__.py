"""The trainer: hears `commit`, says `trained`; looks where the branches stand. Read the settings, build, run."""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from pushline.line.kafka import KafkaLog
from pushline.line.snapshot_file import SnapshotFile
from pushline.objects.minio_store import MinioStore
from pushline.objects.store_watch import StoreWatch
from pushline.runtime import logs, ports_file
from pushline.runtime.health import Health
from pushline.runtime.logs import Logger
from pushline.runtime.operator_file import OperatorFile, OperatorFileError, read_operator_file
from pushline.runtime.process_gauges import ProcessGauges
from pushline.runtime.scratch import scratch
from pushline.runtime.settings import SettingsError, StoreSettings, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen, StatusServer
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.adapters.uv_command import Bounds, Uv, environment_for
from pushline.trainer.data import TrainingData
from pushline.trainer.environments import Environments
from pushline.trainer.launcher_folder import assembled
from pushline.trainer.leased_cache import LeasedCache
from pushline.trainer.preparation import Preparation
from pushline.trainer.sandbox.box import Sandbox
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.ladder import Ladder
from pushline.trainer.sandbox.unboxed import Unboxed
from pushline.trainer.sandbox.unshare import Unshare
from pushline.trainer.service import Surroundings, Wishes, build
from pushline.trainer.settings import Settings
from pushline.trainer.training import Training

MOST_BYTES, MOST_FILES = 2**62, 10_000  # packages are bounded each, and by number; data by size


def run(settings: Settings, file: OperatorFile, environ: Mapping[str, str], log: Logger) -> None:
    snapshots = SnapshotFile.where(settings.snapshots.folder, lambda problem: log.warning("snapshot", sentence=problem))
    shutdown, around = Shutdown(), Surroundings(log, CollectorRegistry(), Health(), snapshots)
    shutdown.install()
    at = settings.line
    line = KafkaLog(at.kafka, at.topic_prefix, settings.process.kafka_options, replica=at.replica, check_topics=at.check_topics)
    work = _work(settings)
    forge = GitRemote(work, {model.repository: model.access for model in file.models})
    preparation = _preparation(settings, work, environ)
    launcher = assembled(work / "launcher")
    store = _store(settings.store)
    watch = StoreWatch(store, writes=True, tell=lambda problem: log.warning("store", sentence=problem))
    around.health.watch("store", lambda: watch.problem)
    training = Training(store, forge, _sandbox(settings, work, log), work, preparation, launcher=launcher)
    training.prepare()
    service = build(_wishes(settings, file), line, forge, training, around)
    ProcessGauges(around.health, _folders(settings, work), around.registry)
    status = StatusServer(settings.process.bind, settings.process.metrics_port, around.health, around.registry)
    status.start()
    watch.start()
    service.start()
    ports_file.announce(log, {"metrics": status.port, "webhook": service.webhooks.port}, settings.process.ports_file)
    shutdown.wait()
    log.info("stopping")
    service.stop()
    training.leave()
    watch.stop()
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
        bad_records=settings.line.bad_records,
        config=settings.config,
    )


def _folders(settings: Settings, work: Path) -> dict[str, Path | None]:
    own = settings.preparation.environments
    return {"work": work, "environments": own, "snapshots": settings.snapshots.folder, "temporary": Path(tempfile.gettempdir())}


def _store(store: StoreSettings) -> MinioStore:
    return MinioStore(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)


def _preparation(settings: Settings, work: Path, environ: Mapping[str, str]) -> Preparation:
    own, store = settings.preparation, settings.store
    packages = LeasedCache((own.environments or work / "environments").absolute(), own.environments_kept, MOST_BYTES)
    uv = Uv(settings.training_python, environment_for(environ))
    return Preparation(
        Environments(packages, uv, Bounds(own.environment_seconds, own.environment_size)),
        TrainingData(LeasedCache(work / "data", MOST_FILES, own.data_size), lambda bucket: _store(replace(store, bucket=bucket))),
        store.bucket,
        own.datasets,
    )


def _work(settings: Settings) -> Path:
    work = settings.work.absolute()
    try:
        work.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=work).close()
    except OSError as error:
        raise SettingsError((f"PUSHLINE_WORK: {work} cannot be written: {error.strerror}",)) from None
    return work


def _sandbox(settings: Settings, work: Path, log: Logger) -> Sandbox:
    if settings.sandbox == "off":
        log.warning("PUSHLINE_SANDBOX=off: scripts of committers run unconfined, with the rights of this process")
        return Unboxed(settings.training_python, work)
    rungs: dict[str, Sandbox] = {each.name: each for each in _rungs(settings.training_python, work)}
    return Ladder(list(rungs.values())) if settings.sandbox == "auto" else rungs[settings.sandbox]


def _rungs(python: Path, work: Path) -> tuple[Sandbox, ...]:
    # NOTE: bubblewrap's second process waits for a word of its first, for ever where that one was killed in front of it.
    return Bubblewrap(python, Path(tempfile.gettempdir())), Unshare(python, work)


def main() -> int:
    log = logs.configure("pushline-trainer")
    try:
        settings = read(Settings, os.environ)
        file = read_operator_file(settings.config)
        with scratch("trainer"):
            run(settings, file, os.environ, log)
    except (SettingsError, OperatorFileError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
