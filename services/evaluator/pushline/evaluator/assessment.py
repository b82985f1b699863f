"""One evaluation from end to end, on files that were fetched and verified before: run, compare, measure, judge."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pushline.engine.check import check_program
from pushline.engine.engine import BadProgram
from pushline.evaluator import deciding, keras_says, trying
from pushline.evaluator.agreement import compare
from pushline.evaluator.arrays import Array
from pushline.evaluator.assessed import Assessment, Material, Rules
from pushline.evaluator.curves import drawings
from pushline.evaluator.data_checks import examine
from pushline.evaluator.dataset import NO_SET, EvaluationSet, Inputs, inputs_for, read_set
from pushline.evaluator.findings import OwnMetric, Trial, WorstRow
from pushline.evaluator.gates import Champion, Evidence, judge_gates
from pushline.evaluator.measures import Measured, measure, worst_rows
from pushline.evaluator.pictures import pictures
from pushline.evaluator.ports import Answers, OwnMetrics, Predictors, ProgramFailed, ProgramFile, Programs
from pushline.evaluator.signature import BREAKING, UNKNOWN, Signature, compare_signatures, measures_alike
from pushline.evaluator.trial import allowed, picked, sampled_rows
from pushline.evaluator.trying import Served, Timed
from pushline.evaluator.verdict import NotJudgeable, Verdict, conclude
from pushline.objects.manifest import Dataset, Manifest
from pushline.reports.page import Picture


@dataclass(frozen=True, slots=True)
class Assessor:
    programs: Programs
    rules: Rules
    predictors: Predictors | None  # None: nothing is tried in the production predictor, and costs are unknown
    own_metrics: OwnMetrics | None = None  # None: those of repositories have no numbers here

    def assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event) -> Assessment:
        """`champion` is the live model's material, or what is already known of it. Raises Cancelled, CannotRun."""
        found, began = Assessment(live=champion.manifest if isinstance(champion, Material) else None), time.monotonic()
        try:
            self._assess(own, champion, cancelled, found)
        except NotJudgeable as refusal:
            found.verdict = refusal.verdict
        except ProgramFailed as failure:
            found.verdict = Verdict("rejected", failure.reason, failure.sentence)
        found.seconds = time.monotonic() - began
        return found

    def _assess(self, own: Material, champion: "Material | Champion | None", cancelled: threading.Event, found: Assessment) -> None:
        manifest = own.manifest
        deciding.check_confidence(manifest.confidence)
        signature = _signature(manifest, champion, found)
        if manifest.dataset is None or own.dataset is None:
            raise NotJudgeable("no_evaluation_set", NO_SET)
        output = manifest.outputs[0].name if manifest.outputs else ""
        data = read_set(own.dataset, manifest.dataset, output, self.rules.max_dataset_bytes)
        inputs = inputs_for(data, manifest.inputs)
        found.facts = examine(data, inputs, manifest, own.training_rows)
        self._check(own.programs)
        keras = partial(self.programs.run, [own.model], inputs) if own.model is not None else None
        before = partial(self._run_champion, data, champion) if isinstance(champion, Material) else None
        with self._tried(own, champion, cancelled) as served, self._beside(keras, cancelled) as asked:
            found.run = self.programs.run(own.programs, inputs, cancelled)
            found.child_seconds = found.run.child_seconds
            with self._beside(before, cancelled) as live:
                self._agree(own, asked, found, cancelled)
                found.measured = self._measure(manifest, data, output, found.run)
                _draw(found, found.measured, inputs)
                measured_live = self._champion(manifest, data, champion, live, found)
            self._try(served, data, found)
        if signature.kind == BREAKING and found.champion is not None and found.champion.problem:
            found.champion = replace(found.champion, broken_off=True)
        if measured_live is not None:
            found.comparison = deciding.compared(manifest, found.measured, measured_live)
        found.slices = deciding.sliced(manifest, data.arrays, found.measured, measured_live)
        found.own_metrics = self._own_metrics(own, data, found, cancelled)
        found.judged = judge_gates(manifest.gates, _evidence(manifest, found.measured, found))
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

    def _agree(self, own: Material, asked: "Future[Answers] | None", found: Assessment, cancelled: threading.Event) -> None:
        if found.run is None:
            return
        said = keras_says.by_model(found.run, asked)
        if isinstance(said, str):
            from_store = own.manifest.dataset is not None and own.manifest.dataset.origin == "store"
            told = keras_says.Told(None if from_store else own.answers, own.proof, self.rules.max_dataset_bytes)
            said = keras_says.by_launcher(told, found.run, (self.programs, own.programs), said, cancelled)
        found.against, found.against_note = said.against, said.note
        compare("the serving program", said.run.together, said.keras, self.rules.tolerance)
        pairs = zip(own.programs, said.run.alone, strict=True)
        found.agreements = tuple(compare(program.name, each, said.keras, self.rules.tolerance) for program, each in pairs)

    def _own_metrics(
        self, own: Material, data: EvaluationSet, found: Assessment, cancelled: threading.Event
    ) -> tuple[OwnMetric, ...]:
        """After all other numbers, none of which it can change."""
        functions = own.manifest.metrics
        if not functions or found.run is None:
            return ()
        if self.own_metrics is None or own.metrics is None:
            problem = "the repository's files are missing" if self.own_metrics else "nothing computes it here"
            return tuple(OwnMetric(function.rpartition(":")[2], function, None, problem) for function in functions)
        truth = {name: data.arrays[name] for name in data.targets}
        return self.own_metrics.compute(functions, own.metrics, truth, found.run.together, cancelled)

    def _measure(self, manifest: Manifest, data: EvaluationSet, name: str, run: Answers) -> Measured:
        if name not in run.together:
            raise NotJudgeable(
                "program_disagrees", f"the program has no output {name or 'at all'}; it has {', '.join(run.together)}"
            )
        return _measured(manifest, data.truth, run.together[name])

    @contextmanager
    def _beside(
        self, run: "Callable[[threading.Event], Answers] | None", cancelled: threading.Event
    ) -> "Iterator[Future[Answers] | None]":
        """Run programs while others are run and judged; where that raises, they are ended."""
        if run is None:
            yield None
            return
        refused = _Refused(cancelled)
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(run, refused)
            try:
                yield beside
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
        rows, began, about = sampled_rows(data.rows), time.monotonic(), served[0].served.about
        sample, answers = picked(inputs_for(data, about.inputs), rows), picked(found.run.together, rows)
        try:
            agreed = trying.ask_golden(served[0], sample, answers, allowed(about.engine, self.rules.tolerance))
            found.trial = replace(found.trial, requests=agreed.requests, rows=agreed.rows, max_abs_difference=agreed.difference)
            trying.take_times([(served[0], sample), *_as_they_take_it(served[1:], data, rows)])
        finally:
            found.child_seconds += time.monotonic() - began
        found.costs = trying.costs_of(served)

    def _champion(
        self,
        own: Manifest,
        data: EvaluationSet,
        champion: "Material | Champion | None",
        live: "Future[Answers] | None",
        found: Assessment,
    ) -> Measured | None:
        """The live model on the same set. What keeps it from being measured is told; the gates that need it then do not pass."""
        if live is None or not isinstance(champion, Material):
            found.champion = None if isinstance(champion, Material) else champion
            return None
        try:
            run = live.result()
            found.child_seconds += run.child_seconds
            _check_alike(own, champion.manifest)
            said = run.together[champion.manifest.outputs[0].name]
            measured = _measured(replace(own, from_logits=champion.manifest.from_logits), data.truth, said)
        except NotJudgeable as refusal:
            problem = refusal.detail
        except ProgramFailed as failure:
            problem = str(failure)
        except (IndexError, KeyError):
            problem = "it has no such output"
        else:
            found.champion = Champion(measured.numbers)
            return measured
        found.champion = Champion({}, f"the live model cannot be measured on this run's set: {problem}")
        return None


def _draw(found: Assessment, measured: Measured, inputs: Inputs) -> None:
    found.drawings = drawings(measured.answered)
    found.worst_rows = worst_rows(measured.answered)
    found.pictures = _pictures(found.worst_rows, inputs)


def _pictures(worst: Sequence[WorstRow], inputs: Inputs) -> list[Picture]:
    """Of models with one input."""
    if len(inputs) != 1:
        return []
    ordered = sorted(worst, key=lambda row: row.row)
    (rows,) = inputs.at(np.array([row.row for row in ordered], np.int64)).values()
    place = {row.row: at for at, row in enumerate(ordered)}
    return pictures(worst, rows[[place[row.row] for row in worst]])


def _evidence(manifest: Manifest, measured: Measured, found: Assessment) -> Evidence:
    return Evidence(
        manifest.task,
        measured.metrics,
        found.champion,
        measured.constant,
        over_constant=deciding.beside_constant(manifest, measured) if found.champion is None or found.champion.broken_off else None,
        comparison=found.comparison,
        slices=found.slices,
        facts=found.facts,
        costs=found.costs,
        own={own.name: own.value for own in found.own_metrics},
    )


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


def _check_alike(own: Manifest, live: Manifest) -> None:
    """Raises NotJudgeable."""
    why = measures_alike(own, live)
    if why:
        raise NotJudgeable("champion_not_comparable", why)


def _as_they_take_it(others: Sequence[Timed], data: EvaluationSet, rows: Array) -> "Iterator[tuple[Timed, dict[str, Array]]]":
    """Give the models that take this set, and these rows of it."""
    for each in others:
        with suppress(NotJudgeable):
            yield each, picked(inputs_for(data, each.served.about.inputs), rows)


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
