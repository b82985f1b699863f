"""The evaluator: hears `trained`, says `evaluated`. Read the settings, build, run."""

import json
import os
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.metric_children import MOST_SECONDS, MetricChildren
from pushline.evaluator.adapters.predictor_process import DEFAULT, PredictorProcess, TrialLimits
from pushline.evaluator.assessed import Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.evaluated_event import less
from pushline.evaluator.metrics import Verdicts
from pushline.evaluator.on_trained import OnTrained
from pushline.evaluator.ports import CannotRun
from pushline.evaluator.replay import NothingToReplay, Replayed, replay
from pushline.evaluator.settings import EvaluationSettings, Settings
from pushline.evaluator.verdict import Evaluation, next_evaluation
from pushline.line.broker import LineError, Log
from pushline.line.deadletters import MOST_IN_A_ROW, DeadLetters, OpenLetters
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement, Ledger
from pushline.line.open_work import glance
from pushline.line.records import Record
from pushline.line.snapshot_file import SnapshotFile
from pushline.line.snapshots import Snapshots
from pushline.line.stage import Stage, Work
from pushline.line.stage_hearers import StageReport
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES, TRAINED, inputs_of, read_by
from pushline.line.writer import Writer
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import StoreError
from pushline.objects.store_watch import StoreWatch
from pushline.reports import BadReport
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
CATCH_UP_SECONDS = 20.0
WORKERS = 16  # pieces of work at hand, those that wait for the store included; PUSHLINE_EVALUATIONS of them are judged at once


@dataclass(frozen=True, slots=True)
class Evaluator:
    tail: Tail
    stage: Stage[Evaluation]

    def start(self) -> None:
        self.tail.start()
        self.stage.start()

    def stop(self) -> None:
        self.stage.stop(GRACE_SECONDS)
        self.tail.stop()


def build(
    line: Log,
    work: Work[Evaluation],
    report: StageReport,
    registry: CollectorRegistry,
    *,
    file: SnapshotFile | None = None,
    bad_records: int = MOST_IN_A_ROW,
) -> Evaluator:
    letters = DeadLetters(line, inputs_of("evaluator"), bad_records)
    counter, verdicts = RecordCounter(registry), Verdicts(registry)

    def note(record: Record, judgements: tuple[Judgement, ...]) -> None:
        letters.note(record, judgements)
        counter.note(judgements)
        verdicts.note(judgements)
        stage.wake()

    def restored(ledger: Ledger, open_letters: OpenLetters) -> None:
        letters.begin(open_letters)
        counter.begin(ledger.counts, ledger.broken_rules)
        verdicts.begin(ledger.runs.values())

    tail = Tail(line, read_by("evaluator"), on_fold=note, snapshots=Snapshots.of(file, lambda: letters.open, restored))
    LineGauges(partial(glance, tail.read), registry)
    stage = Stage(
        name="evaluator",
        hears=TRAINED,
        log=line,
        tail=tail,
        writer=Writer(line, tail, "pushline/evaluator"),
        decide=next_evaluation,
        work=work,
        max_workers=WORKERS,
        report=report,
        dead_letters=letters,
        less=less,
    )
    return Evaluator(tail, stage)


def assessor(settings: EvaluationSettings, bubblewrap: str, predictors: PredictorProcess) -> Assessor:
    limits = Limits(settings.memory_bytes, settings.timeout_seconds, settings.answers_bytes)
    asks_model = settings.tensorflow_python is not None
    rules = Rules(settings.tolerance, settings.dataset_bytes, settings.program_bytes, asks_model)
    metrics = MetricChildren(replace(limits, seconds=min(limits.seconds, MOST_SECONDS)), bubblewrap)
    child = LimitedChild(limits, bubblewrap, tensorflow_python=settings.tensorflow_python)
    return Assessor(child, rules, predictors, metrics)


def predictor_process(settings: EvaluationSettings, bubblewrap: str) -> PredictorProcess:
    limits = TrialLimits(settings.memory_bytes, settings.timeout_seconds, settings.program_bytes)
    command = settings.predictor_command or DEFAULT
    return PredictorProcess(limits, bubblewrap, command, tensorflow_python=settings.tensorflow_python)


def open_log(settings: Settings, *, replica: str) -> KafkaLog:
    at = settings.line
    return KafkaLog(at.kafka, at.topic_prefix, settings.process.kafka_options, replica=replica, check_topics=at.check_topics)


def open_store(settings: Settings) -> MinioStore:
    s3 = settings.store
    return MinioStore(s3.endpoint, s3.bucket, s3.access_key, s3.secret_key, s3.region)


def run(settings: Settings, log: Logger) -> None:
    health, registry, shutdown = Health(), CollectorRegistry(), Shutdown()
    shutdown.install()
    line, store = open_log(settings, replica=settings.line.replica), open_store(settings)
    at_once = threading.BoundedSemaphore(settings.evaluation.at_once)
    bubblewrap = working_bubblewrap()
    if not bubblewrap:
        log.warning("bubblewrap does not work here; programs are run in processes with limits alone")
    predictors = predictor_process(settings.evaluation, bubblewrap)
    work = OnTrained(store, assessor(settings.evaluation, bubblewrap, predictors), at_once)
    file = SnapshotFile.where(settings.snapshots.folder, lambda problem: log.warning("snapshot", sentence=problem))
    evaluator = build(line, work, StageReporter(log, registry), registry, file=file, bad_records=settings.line.bad_records)
    health.watch("predictor", lambda: predictors.problem)
    health.watch("line", lambda: evaluator.tail.problem)
    health.watch("work", lambda: evaluator.stage.problem)
    watch = StoreWatch(store, writes=True, tell=lambda problem: log.warning("store", sentence=problem))
    health.watch("store", lambda: watch.problem)
    folders = {"snapshots": settings.snapshots.folder, "temporary": Path(tempfile.gettempdir())}
    ProcessGauges(health, folders, registry)
    status = StatusServer(settings.process.bind, settings.process.metrics_port, health, registry)
    status.start()
    watch.start()
    evaluator.start()
    ports_file.announce(log, {"metrics": status.port}, settings.process.ports_file)
    shutdown.wait()
    log.info("stopping")
    evaluator.stop()
    watch.stop()
    status.stop()
    line.close()


def replay_once(settings: Settings, run_id: str, baseline: str) -> Replayed:
    """Judge again what was judged, beside a line that runs: nothing is written to it."""
    line, store, bubblewrap = open_log(settings, replica=""), open_store(settings), working_bubblewrap()
    judges = assessor(settings.evaluation, bubblewrap, predictor_process(settings.evaluation, bubblewrap))
    tail = Tail(line, TOPIC_NAMES)
    tail.start()
    try:
        tail.catch_up(CATCH_UP_SECONDS)
        return replay(tail, OnTrained(store, judges, threading.BoundedSemaphore(1)), run_id, baseline)
    finally:
        tail.stop()
        line.close()


def main_replay(run_id: str, baseline: str) -> int:
    logs.configure("pushline-evaluator", sys.stderr)
    try:
        replayed = replay_once(read(Settings, os.environ), run_id, baseline)
    except (SettingsError, NothingToReplay, BadReport, StoreError, CannotRun, LineError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(replayed), ensure_ascii=False))
    return 0


def main() -> int:
    match sys.argv[1:]:
        case []:
            return main_service()
        case ["replay", run_id, baseline]:
            return main_replay(run_id, baseline)
        case _:
            print("python -m pushline.evaluator [replay RUN_ID BASELINE_DIGEST]", file=sys.stderr)
            return 2


def main_service() -> int:
    log = logs.configure("pushline-evaluator")
    try:
        settings = read(Settings, os.environ)
        with scratch("evaluator"):
            run(settings, log)
    except (SettingsError, CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
