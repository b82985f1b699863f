"""What becomes of a trained run: its files and set are fetched, judged against what is live, reported, and answered.

A complete report that is already there is taken instead of judging again; so a repeat after a crash says the same bytes.
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.engine import row_hashes
from pushline.evaluator import keras_says
from pushline.evaluator.assessed import Assessment, Material
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.evaluated_event import event_of
from pushline.evaluator.gates import Champion
from pushline.evaluator.ports import Cancelled, CannotRun, ProgramFile
from pushline.evaluator.report import MODEL_FILE, build, measured_costs
from pushline.evaluator.verdict import Evaluation, NotJudgeable
from pushline.line.events import ModelEvaluated, ModelTrained, Serving
from pushline.line.stage import Transient
from pushline.objects import keys, manifest
from pushline.objects.manifest import BadManifest, Manifest
from pushline.objects.store import DigestMismatch, ObjectMissing, ObjectTooLarge, Store, StoreUnavailable
from pushline.reports import BadReport
from pushline.reports.bounded import dump_within
from pushline.reports.measured import dump_measured
from pushline.reports.page import page

REPORT, MEASURED, PAGE = "report.json", "measured.json", "report.html"
ANSWERS, PROOF, TRAINING_ROWS, METRICS = "answers.npz", "proof.npz", "training_rows.bin", "metrics.zip"
MAX_METRICS_BYTES = 16 * 2**20
MAX_REPORT_BYTES = 16 * 2**20
LOOK_EVERY_SECONDS = 0.1


def _new_name() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class OnTrained:
    store: Store
    assessor: Assessor
    at_once: threading.Semaphore  # how many are judged at the same time; one that waits for the store holds none up
    new_name: Callable[[], str] = field(default=_new_name)  # of the folder that an evaluation's files go into

    def __call__(self, work: Evaluation, cancelled: threading.Event) -> ModelEvaluated | None:
        """Raises Transient where store or machine fail. None: it was cancelled."""
        try:
            finished = self._finished(work)
            if finished is None:
                with self._turn(cancelled):
                    self._evaluate(work, cancelled)
                finished = self._finished(work)
        except Cancelled:
            return None
        except (StoreUnavailable, ObjectMissing, DigestMismatch, ObjectTooLarge) as error:
            raise Transient(f"store: {error}") from error
        except CannotRun as error:
            raise Transient(str(error)) from error
        if finished is None:
            raise Transient("store: the report that was just written is not there")
        return finished

    def again(self, work: Evaluation, cancelled: threading.Event) -> bytes:
        """Give the report of this work, made anew; nothing is written. Raises what the store raises, CannotRun, Cancelled."""
        with TemporaryDirectory(prefix="pushline-evaluation-") as name:
            about, found = self._assess(work, Path(name), cancelled)
        return dump_within(build(work, about, found, self.assessor.rules), MAX_REPORT_BYTES)

    def _finished(self, work: Evaluation) -> ModelEvaluated | None:
        """Make the answer of the first complete report in name order, if there is one."""
        run = work.trained.event
        for key in self.store.list(keys.evaluations(run.model, run.run_id, work.baseline)):
            if not key.endswith(f"/{REPORT}"):
                continue
            try:
                event = event_of(self._report(key), key)
            except (BadReport, ObjectTooLarge, DigestMismatch):
                continue
            if _answers(event, work):
                return event
        return None

    def _report(self, key: str) -> bytes:
        """Give its bytes as they were written: the event is made of them. Raises DigestMismatch, and what the store raises."""
        data = self.store.read_bytes(key, MAX_REPORT_BYTES)
        actual, promised = hashlib.sha256(data).hexdigest(), _promised(key)
        if promised and promised != actual:
            raise DigestMismatch(key, promised, actual)
        return data

    @contextmanager
    def _turn(self, cancelled: threading.Event) -> Iterator[None]:
        while not self.at_once.acquire(timeout=LOOK_EVERY_SECONDS):
            if cancelled.is_set():
                raise Cancelled
        try:
            yield
        finally:
            self.at_once.release()

    def _evaluate(self, work: Evaluation, cancelled: threading.Event) -> None:
        with TemporaryDirectory(prefix="pushline-evaluation-") as name:
            about, found = self._assess(work, Path(name), cancelled)
        if cancelled.is_set():
            raise Cancelled
        self._write(work, about, found)

    def _assess(self, work: Evaluation, folder: Path, cancelled: threading.Event) -> tuple[Manifest | None, Assessment]:
        about: Manifest | None = None
        try:
            about = self._manifest(work.trained.event)
            with ThreadPoolExecutor(1) as beside:
                live = beside.submit(self._champion, work, folder / "champion") if about.dataset else None
                own = self._material(about, folder / "candidate")
            return about, self.assessor.assess(own, live.result() if live else None, cancelled)
        except NotJudgeable as refusal:
            return about, Assessment(verdict=refusal.verdict)

    def _manifest(self, run: ModelTrained) -> Manifest:
        about = self._read_manifest(run.model, run.run_id, run.manifest_sha256)
        told = [(file.name, file.sha256, file.size) for file in run.files]
        if (about.run_id, about.digest) != (run.run_id, run.digest):
            raise NotJudgeable("bad_manifest", "the manifest is of another run or model than the trained event", "failed")
        if told != [(file.name, file.sha256, file.size) for file in about.files]:
            raise NotJudgeable("bad_manifest", "the manifest and the trained event name different files", "failed")
        return about

    def _read_manifest(self, model: str, run_id: str, sha256: str) -> Manifest:
        with self.store.fetch(keys.manifest(model, run_id, sha256), sha256, manifest.MAX_MANIFEST_BYTES) as path:
            try:
                return manifest.load(path.read_bytes())
            except BadManifest as error:
                raise NotJudgeable("bad_manifest", f"the manifest cannot be read: {error}", "failed") from error

    def _material(self, about: Manifest, folder: Path) -> Material:
        """Fetch a run's programs, and Keras' answers and the set where there is one. Raises NotJudgeable for what is too large."""
        folder.mkdir(mode=0o700)
        rules = self.assessor.rules
        if about.dataset is None:
            return Material(about, self._programs(about, folder))
        if about.dataset.size > rules.max_dataset_bytes:
            limit = f"{about.dataset.size} bytes; at most {rules.max_dataset_bytes} are read"
            raise NotJudgeable("dataset", f"the evaluation set cannot be used: it has {limit}")
        dataset, sha256 = folder / "dataset.npz", about.dataset.sha256
        with ThreadPoolExecutor(2) as beside:
            fetched = beside.submit(
                self.store.fetch_to, keys.dataset(about.model, sha256), sha256, dataset, rules.max_dataset_bytes
            )
            others = beside.submit(self._others, about, folder)
            programs = self._programs(about, folder)
        fetched.result()
        return replace(others.result(), programs=programs, dataset=dataset)

    def _others(self, about: Manifest, folder: Path) -> Material:
        """What proves and measures the model beside programs and set."""
        rules = self.assessor.rules
        limits = {
            ANSWERS: rules.max_dataset_bytes,
            PROOF: keras_says.MAX_PROOF_BYTES,
            TRAINING_ROWS: row_hashes.MOST_BYTES,
            **({METRICS: MAX_METRICS_BYTES} if about.metrics else {}),
        }
        names = {file.name for file in about.files}
        answers, proof, rows, metrics = (
            self._file(about, name, folder, limits[name]) if name in names and name in limits else None
            for name in (ANSWERS, PROOF, TRAINING_ROWS, METRICS)
        )
        return Material(about, (), None, answers, proof, rows, metrics, self._model(about, folder))

    def _model(self, about: Manifest, folder: Path) -> ProgramFile | None:
        """Give model.h5 where Keras is asked about it here; one that is served itself is asked anyway."""
        size = next(file.size for file in about.files if file.name == MODEL_FILE)
        rules = self.assessor.rules
        if not rules.asks_model or about.engine != "litert" or size > rules.max_program_bytes:
            return None
        return ProgramFile(MODEL_FILE, self._file(about, MODEL_FILE, folder, rules.max_program_bytes), None, "tensorflow")

    def _programs(self, about: Manifest, folder: Path) -> tuple[ProgramFile, ...]:
        limit = self.assessor.rules.max_program_bytes
        if about.engine != "litert":
            return (ProgramFile(MODEL_FILE, self._file(about, MODEL_FILE, folder, limit), None, about.engine),)
        return tuple(ProgramFile(each.file, self._file(about, each.file, folder, limit), each.batch) for each in about.programs)

    def _file(self, about: Manifest, name: str, folder: Path, limit: int) -> Path:
        file = next(file for file in about.files if file.name == name)
        if file.size > limit:
            raise NotJudgeable("file_too_large", f"{name} has {file.size} bytes; at most {limit} are read")
        self.store.fetch_to(keys.model_file(about.model, file.sha256, name), file.sha256, folder / name, limit)
        return folder / name

    def _champion(self, work: Evaluation, folder: Path) -> Material | Champion | None:
        """Fetch the live model's programs; where they are no longer readable by this program, say so."""
        live: Serving | None = work.champion
        if live is None:
            return None
        model = work.trained.event.model
        try:
            about = self._read_manifest(model, live.run_id, live.manifest_sha256)
            folder.mkdir(mode=0o700)
            return Material(about, self._programs(about, folder))
        except NotJudgeable as refusal:
            return Champion({}, f"the live model cannot be measured: {refusal}")

    def _write(self, work: Evaluation, about: Manifest | None, found: Assessment) -> None:
        """The report comes last: where it is, everything is."""
        report, measured = build(work, about, found, self.assessor.rules), measured_costs(found)
        data = dump_within(report, MAX_REPORT_BYTES)
        folder = f"{self.new_name()}-{hashlib.sha256(data).hexdigest()}"
        with ThreadPoolExecutor(1) as beside:
            numbers = beside.submit(self.store.put_bytes, _key(work, folder, MEASURED), dump_measured(measured))
            self.store.put_bytes(_key(work, folder, PAGE), page(report, measured, found.pictures))
        numbers.result()
        self.store.put_bytes(_key(work, folder, REPORT), data)


def _key(work: Evaluation, folder: str, name: str) -> str:
    run = work.trained.event
    return keys.evaluation_file(run.model, run.run_id, work.baseline, folder, name)


def _promised(key: str) -> str:
    """Give the SHA-256 that the report's folder names; "" for a folder of a time when it named none."""
    folder = key.rpartition("/")[0].rpartition("/")[2]
    _, _, promised = folder.rpartition("-")
    return promised if re.fullmatch("[0-9a-f]{64}", promised) else ""


def _answers(event: ModelEvaluated, work: Evaluation) -> bool:
    """Say whether this report is about this very work."""
    run = work.trained.event
    about = (event.model, event.run_id, event.digest, event.baseline_digest, event.caused_by)
    return about == (run.model, run.run_id, run.digest, work.baseline, work.trained.id)
