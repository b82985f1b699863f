"""One evaluation from end to end, on files that were fetched and verified before: run, compare, measure, judge."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pushline.engine.check import check_program
from pushline.engine.engine import BadProgram
from pushline.evaluator.agreement import Agreement, compare
from pushline.evaluator.arrays import Array, BadArrays, read_arrays
from pushline.evaluator.curves import drawings
from pushline.evaluator.dataset import NO_SET, EvaluationSet, inputs_for, read_set
from pushline.evaluator.gates import Champion, Evidence, Judged, judge_gates
from pushline.evaluator.measures import Measured, measure
from pushline.evaluator.ports import Answers, ProgramFailed, ProgramFile, Programs
from pushline.evaluator.verdict import NotJudgeable, Verdict, conclude
from pushline.evaluator.worst import pictures, worst_rows
from pushline.objects.manifest import Dataset, Manifest
from pushline.reports.findings import Comparison, DataFacts, OwnMetric, SliceFound, Trial, WorstRow
from pushline.reports.page import Picture
from pushline.reports.report import Drawing


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator may set. `tolerance` times max(1, |answer|) is how far a program may be from Keras."""

    tolerance: float = 1e-5
    max_dataset_bytes: int = 2**30
    max_program_bytes: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Material:
    """A run's files, here."""

    manifest: Manifest
    programs: tuple[ProgramFile, ...]
    dataset: Path | None = None
    answers: Path | None = None


@dataclass(slots=True)
class Assessment:
    """What was found, as far as it went: filled step by step, so that a refusal still shows what came before it."""

    verdict: Verdict = field(default_factory=lambda: Verdict("failed", "not_judged", "the run was not judged"))
    judged: tuple[Judged, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    measured: Measured | None = None
    drawings: tuple[Drawing, ...] = ()
    worst_rows: tuple[WorstRow, ...] = ()
    pictures: Sequence[Picture] = ()  # for the page alone
    champion: Champion | None = None
    live: Manifest | None = None  # the live model's
    comparison: Comparison | None = None
    slices: tuple[SliceFound, ...] = ()
    data: DataFacts | None = None
    trial: Trial | None = None
    own_metrics: tuple[OwnMetric, ...] = ()
    costs: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)  # of serving; the live model's beside it
    run: Answers | None = None
    child_seconds: float = 0.0  # of all programs that were run, the live model's too


@dataclass(frozen=True, slots=True)
class Assessor:
    programs: Programs
    rules: Rules

    def assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event) -> Assessment:
        """`champion` is the live model's material, or what is already known of it. Raises Cancelled, CannotRun."""
        found = Assessment(live=champion.manifest if isinstance(champion, Material) else None)
        try:
            self._assess(own, champion, cancelled, found)
        except NotJudgeable as refusal:
            found.verdict = refusal.verdict
        except ProgramFailed as failure:
            found.verdict = Verdict("rejected", failure.reason, failure.sentence)
        return found

    def _assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event, found: Assessment) -> None:
        manifest = own.manifest
        if manifest.dataset is None or own.dataset is None:
            raise NotJudgeable("no_evaluation_set", NO_SET)
        output = manifest.outputs[0].name if manifest.outputs else ""
        data = read_set(own.dataset, manifest.dataset, output, self.rules.max_dataset_bytes)
        keras = self._keras_answers(own)
        self._check(own.programs)
        inputs = inputs_for(data, manifest.inputs)
        found.run = self.programs.run(own.programs, inputs, cancelled)
        found.child_seconds = found.run.child_seconds
        with self._beside(data, champion, cancelled) as live:
            found.agreements = self._agreements(own.programs, found.run, keras)
            found.measured = self._measure(manifest, data, output, found.run)
            found.drawings = drawings(found.measured.answered)
            found.worst_rows = worst_rows(found.measured.answered)
            found.pictures = _pictures(found.worst_rows, inputs)
            found.champion = self._champion(manifest, data, champion, live, found)
        evidence = Evidence(manifest.task, found.measured.numbers, found.champion, found.measured.constant)
        found.judged = judge_gates(manifest.gates, evidence)
        found.verdict = conclude(found.judged, _on_what(manifest.dataset))

    def _check(self, programs: Sequence[ProgramFile]) -> None:
        if not programs:
            raise NotJudgeable("no_program", "the run has no serving program")
        for program in programs:
            if program.engine != "litert":
                continue  # its child looks at it before it opens it
            try:
                check_program(program.path, self.rules.max_program_bytes)
            except BadProgram as error:
                raise NotJudgeable("program_refused", f"the serving program may not be opened: {error}") from error

    def _keras_answers(self, own: Material) -> Mapping[str, Array]:
        if own.answers is None:
            sentence = "Keras' own answers (answers.npz) are missing, so nothing shows that the program agrees with model.h5"
            raise NotJudgeable("no_answers", sentence)
        try:
            return read_arrays(own.answers, self.rules.max_dataset_bytes)
        except BadArrays as error:
            raise NotJudgeable("no_answers", f"Keras' own answers (answers.npz) cannot be read: {error}") from error

    def _agreements(self, programs: Sequence[ProgramFile], run: Answers, keras: Mapping[str, Array]) -> tuple[Agreement, ...]:
        compare("the serving program", run.together, keras, self.rules.tolerance)
        pairs = zip(programs, run.alone, strict=True)
        return tuple(compare(program.name, said, keras, self.rules.tolerance) for program, said in pairs)

    def _measure(self, manifest: Manifest, data: EvaluationSet, name: str, run: Answers) -> Measured:
        if name not in run.together:
            raise NotJudgeable(
                "program_disagrees", f"the program has no output {name or 'at all'}; it has {', '.join(run.together)}"
            )
        return _measured(manifest, data.truth, run.together[name])

    @contextmanager
    def _beside(
        self, data: EvaluationSet, champion: "Material | Champion | None", cancelled: threading.Event
    ) -> "Iterator[Future[Answers] | None]":
        """Run the live model's programs while the candidate's answers are judged; where that raises, they are ended."""
        if not isinstance(champion, Material):
            yield None
            return
        refused = _Refused(cancelled)
        with ThreadPoolExecutor(1) as pool:
            live = pool.submit(self._run_champion, data, champion, refused)
            try:
                yield live
            except BaseException:
                refused.set()
                raise

    def _run_champion(self, data: EvaluationSet, champion: Material, cancelled: threading.Event) -> Answers:
        self._check(champion.programs)
        return self.programs.run(champion.programs, inputs_for(data, champion.manifest.inputs), cancelled)

    def _champion(
        self,
        own: Manifest,
        data: EvaluationSet,
        champion: "Material | Champion | None",
        live: "Future[Answers] | None",
        found: Assessment,
    ) -> Champion | None:
        """The live model on the same set. What keeps it from being measured is told; the gates that need it then do not pass."""
        if live is None or not isinstance(champion, Material):
            return None if isinstance(champion, Material) else champion
        try:
            run = live.result()
            found.child_seconds += run.child_seconds
            said = run.together[champion.manifest.outputs[0].name]
            return Champion(_measured(own, data.truth, said).numbers)
        except NotJudgeable as refusal:
            return Champion({}, f"the live model cannot be measured on this run's set: {refusal.detail}")
        except ProgramFailed as failure:
            return Champion({}, f"the live model cannot be measured on this run's set: {failure}")
        except (IndexError, KeyError):
            return Champion({}, "the live model cannot be measured on this run's set: it has no such output")


def _measured(manifest: Manifest, truth: Array, answers: Array) -> Measured:
    return measure(
        manifest.task,
        truth,
        answers,
        manifest.labels,
        from_logits=manifest.from_logits,
        quantiles=manifest.quantiles,
        confidence=manifest.confidence,
    )


def _pictures(worst: Sequence[WorstRow], inputs: Mapping[str, Array]) -> list[Picture]:
    """Of models with one input."""
    (only, *others) = inputs.values()
    return [] if others else pictures(worst, only[[row.row for row in worst]])


class _Refused(threading.Event):
    """Set by itself, or with what it stands beside."""

    def __init__(self, cancelled: threading.Event) -> None:
        super().__init__()
        self._cancelled = cancelled

    def is_set(self) -> bool:
        return super().is_set() or self._cancelled.is_set()


def _on_what(dataset: Dataset) -> str:
    whose = " from the repository itself" if dataset.origin == "repository" else ""
    return f"(evaluation set of {dataset.rows} rows{whose})"
