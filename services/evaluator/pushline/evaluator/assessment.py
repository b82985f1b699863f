"""One evaluation from end to end, on files that were fetched and verified before: run, compare, measure, judge."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pushline.engine.check import check_program
from pushline.engine.engine import BadProgram
from pushline.evaluator import curves, trying
from pushline.evaluator.agreement import Agreement, compare
from pushline.evaluator.arrays import Array, BadArrays, read_arrays
from pushline.evaluator.charts import Chart
from pushline.evaluator.dataset import NO_SET, EvaluationSet, inputs_for, read_set
from pushline.evaluator.findings import Trial
from pushline.evaluator.gates import Champion, Evidence, Judged, judge_gates
from pushline.evaluator.measures import Measured, measure
from pushline.evaluator.ports import Answers, Predictors, ProgramFailed, ProgramFile, Programs
from pushline.evaluator.signature import BREAKING, UNKNOWN, Signature, compare_signatures, measures_alike
from pushline.evaluator.trial import allowed, sampled_rows
from pushline.evaluator.trying import Served, Timed
from pushline.evaluator.verdict import NotJudgeable, Verdict, conclude
from pushline.objects.manifest import Dataset, Manifest


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
    drawn: tuple[Chart, ...] = ()  # what was measured, for the page
    champion: Champion | None = None
    run: Answers | None = None
    trial: Trial | None = None
    cost: Mapping[str, float] = field(default_factory=dict)  # of serving it, in the names of gates
    champion_cost: Mapping[str, float] = field(default_factory=dict)  # taken beside it, in turns
    child_seconds: float = 0.0  # of all programs that were run, the live model's too, and of waiting for the predictor


@dataclass(frozen=True, slots=True)
class Assessor:
    programs: Programs
    rules: Rules
    predictors: Predictors | None = None  # None: nothing is tried in the production predictor, and costs are unknown

    def assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event) -> Assessment:
        """`champion` is the live model's material, or what is already known of it. Raises Cancelled, CannotRun."""
        found = Assessment()
        try:
            self._assess(own, champion, cancelled, found)
        except NotJudgeable as refusal:
            found.verdict = refusal.verdict
        except ProgramFailed as failure:
            found.verdict = Verdict("rejected", failure.reason, failure.sentence)
        return found

    def _assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event, found: Assessment) -> None:
        manifest = own.manifest
        signature = _signature(manifest, champion, found)
        if manifest.dataset is None or own.dataset is None:
            raise NotJudgeable("no_evaluation_set", NO_SET)
        output = manifest.outputs[0].name if manifest.outputs else ""
        data = read_set(own.dataset, manifest.dataset, output, self.rules.max_dataset_bytes)
        keras = self._keras_answers(own)
        self._check(own.programs)
        inputs = inputs_for(data, manifest.inputs)
        with self._tried(own, champion, cancelled) as served:
            found.run = self.programs.run(own.programs, inputs, cancelled)
            found.child_seconds = found.run.child_seconds
            with self._beside(data, champion, cancelled) as live:
                found.agreements = self._agreements(own.programs, found.run, keras)
                found.measured = self._measure(manifest, data, output, found.run)
                found.drawn = tuple(curves.answers(found.measured, [row.label for row in found.measured.classes]))
                found.champion = self._champion(manifest, data, champion, live, found)
            self._try(served, data, found)
        if signature.kind == BREAKING and found.champion is not None and found.champion.problem:
            found.champion = replace(found.champion, broken_off=True)
        evidence = Evidence(manifest.task, found.measured.metrics, found.champion, found.measured.constant)
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
        return measure(manifest.task, data.truth, run.together[name], manifest.labels, from_logits=manifest.from_logits)

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

    @contextmanager
    def _tried(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event) -> "Iterator[list[Timed]]":
        """Have predictors started meanwhile, so that nobody waits for that."""
        if self.predictors is None:
            yield []
            return
        live = Served(champion.manifest, champion.programs) if isinstance(champion, Material) else None
        with trying.started(self.predictors, Served(own.manifest, own.programs), live, cancelled) as served:
            yield served

    def _try(self, served: Sequence[Timed], data: EvaluationSet, found: Assessment) -> None:
        if not served or found.run is None or found.trial is None:
            return
        rows, began = sampled_rows(data.rows), time.monotonic()
        samples = [(each, _sample(data, each.served.about, rows)) for each in served]
        try:
            answers = {name: array[rows] for name, array in found.run.together.items()}
            tolerance = allowed(served[0].served.about.engine, self.rules.tolerance)
            agreed = trying.ask_golden(served[0], samples[0][1] or {}, answers, tolerance)
            found.trial = replace(found.trial, requests=agreed.requests, rows=agreed.rows, max_abs_difference=agreed.difference)
            trying.take_times([(each, sample) for each, sample in samples if sample is not None])
        finally:
            found.child_seconds += time.monotonic() - began
        found.cost, found.champion_cost = served[0].cost, served[1].cost if len(served) > 1 else {}

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
            run, about = live.result(), champion.manifest
            found.child_seconds += run.child_seconds
            why = measures_alike(own, about)
            if why:
                return Champion({}, f"the live model cannot be measured on this run's set: {why}")
            said = run.together[about.outputs[0].name]
            return Champion(measure(own.task, data.truth, said, own.labels, from_logits=about.from_logits).metrics)
        except NotJudgeable as refusal:
            return Champion({}, f"the live model cannot be measured on this run's set: {refusal.detail}")
        except ProgramFailed as failure:
            return Champion({}, f"the live model cannot be measured on this run's set: {failure}")
        except (IndexError, KeyError):
            return Champion({}, "the live model cannot be measured on this run's set: it has no such output")


def _signature(own: Manifest, champion: "Material | Champion | None", found: Assessment) -> Signature:
    """Raises NotJudgeable for a change that breaks callers, or may break them, unless that is allowed."""
    if isinstance(champion, Champion):
        signature = Signature(UNKNOWN)
        if not own.allow_breaking:
            sentence = f"nothing tells whether callers of the live model would break: {champion.problem}"
            raise NotJudgeable("champion_not_comparable", sentence, "inconclusive")
    else:
        signature = compare_signatures(own, champion.manifest if champion else None)
    found.trial = Trial(0, 0, None, signature.kind, signature.sentences)
    if signature.kind == BREAKING and not own.allow_breaking:
        hint = "bring it under another model's name, or set allow_breaking = true under [deploy] in pushline.toml"
        raise NotJudgeable("breaking_change", f"callers of the live model would break: {signature.broken}; {hint}")
    return signature


def _sample(data: EvaluationSet, about: Manifest, rows: Array) -> "Mapping[str, Array] | None":
    """Give these rows as a model takes them; None where it does not take this set."""
    try:
        return {name: array[rows] for name, array in inputs_for(data, about.inputs).items()}
    except NotJudgeable:
        return None


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
