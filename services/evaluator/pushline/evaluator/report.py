"""report.json: everything about one evaluation, repeatable to the byte.

No time, no machine, no version of this program stands in it: the same files, gates and settings give the same bytes. What was
measured on the way (seconds, memory, costs) stands in measured.json. The shape is `pushline.reports`' own.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from pushline.evaluator.assessed import Assessment, Rules
from pushline.evaluator.changes import changes
from pushline.evaluator.drop_gates import Champion
from pushline.evaluator.judged import Judged
from pushline.evaluator.known_metrics import FIRST_METRIC, is_error
from pushline.evaluator.verdict import Evaluation
from pushline.line import events
from pushline.line.events import Serving
from pushline.objects.manifest import Manifest, Program, TensorSpec
from pushline.reports import report as said
from pushline.reports.findings import Comparison, Difference, Estimate, SliceFound
from pushline.reports.measured import Cost, MeasuredCosts
from pushline.reports.report import SCHEMA, Report

MODEL_FILE = "model.h5"
LESS_IS_BETTER = (
    "duplicates",
    "leakage",
    "latency_p50_ms",
    "latency_p99_ms",
    "latency_64_p99_ms",
    "peak_memory_bytes",
    "program_bytes",
)
NOT_MEASURED = "it was not measured, as this run was refused before"


def build(work: Evaluation, manifest: Manifest | None, found: Assessment, rules: Rules) -> Report:
    event, measured = work.trained.event, found.measured
    return Report(
        schema=SCHEMA,
        model=event.model,
        run_id=event.run_id,
        generation=event.generation,
        attempt=event.attempt,
        commit=said.Commit(**asdict(event.commit)),
        caused_by=work.trained.id,
        digest=event.digest,
        manifest_sha256=event.manifest_sha256,
        baseline_digest=work.baseline,
        verdict=found.verdict.verdict,
        reason=found.verdict.reason,
        sentence=found.verdict.sentence,
        gates=tuple(_gates(found)),
        metrics={name: _estimate(value) for name, value in measured.metrics.items()} if measured else {},
        constant=_finite(measured.constant) if measured else None,
        first_metric=FIRST_METRIC.get(manifest.task, "") if manifest else "",
        classes=measured.classes if measured else (),
        confusion=measured.confusion if measured else (),
        champion=_champion(work.champion, found.champion) if work.champion else None,
        agreement=_agreement(manifest, found, rules),
        files=tuple(_files(event.files, manifest, found)),
        **_made_from(manifest),
        comparison=_comparison(found.comparison),
        slices=tuple(_slice(each) for each in found.slices),
        data=found.facts,
        trial=found.trial,
        own_metrics=found.own_metrics,
        drawings=found.drawings,
        worst_rows=found.worst_rows,
        changes=changes(work, manifest, found.live),
        lower_is_better=_errors(found),
    )


def _gates(found: Assessment) -> Iterable[said.GateRow]:
    """Beside each gate's number its interval, and the difference from the live model where the gate is about that."""
    known = {name: (value, _difference_of(found.comparison, name)) for name, value in _estimates(found).items()}
    known |= {
        f"{metric}[{_name(each)}]": (value, (each.differences or {}).get(metric))
        for each in found.slices
        for metric, value in each.metrics.items()
    }
    for judged in found.judged:
        value, apart = known.get(judged.result.metric, (Estimate(None), None))
        yield _gate(judged, value, apart if judged.result.rule.endswith("max_drop") else None)


def _gate(judged: Judged, found: Estimate, apart: Difference | None) -> said.GateRow:
    shown = _estimate(found) if judged.result.value is not None else Estimate(None)
    difference = None if apart is None else _difference(apart)
    row = said.GateRow(**asdict(judged.result), reason=judged.reason)
    return replace(row, low=shown.low, high=shown.high, difference=difference)


def _estimates(found: Assessment) -> Mapping[str, Estimate]:
    return found.measured.metrics if found.measured else {}


def _difference_of(comparison: Comparison | None, metric: str) -> Difference | None:
    return comparison.differences.get(metric) if comparison else None


def _name(found: SliceFound) -> str:
    return f"{found.by}={found.value}" if found.value else found.by


def _champion(serving: Serving, measured: Champion | None) -> said.Champion:
    return said.Champion(
        digest=serving.digest,
        run_id=serving.run_id,
        generation=serving.generation,
        attempt=serving.attempt,
        sha=serving.commit.sha,
        metrics=_numbers(measured.metrics if measured else {}),
        problem=measured.problem if measured else NOT_MEASURED,
    )


def _agreement(manifest: Manifest | None, found: Assessment, rules: Rules) -> said.Agreement:
    programs = _programs(manifest) if manifest and found.agreements else ()
    each = tuple(
        said.ProgramAgreement(program.file, program.batch, one.rows, one.difference)
        for program, one in zip(programs, found.agreements, strict=True)
    )
    worst = max((one.difference for one in found.agreements), default=None)
    return said.Agreement(rules.tolerance, worst, each, found.against, found.against_note)


def _programs(manifest: Manifest) -> tuple[Program, ...]:
    return manifest.programs if manifest.engine == "litert" else (Program(MODEL_FILE, None),)


def _files(files: Iterable[events.File], manifest: Manifest | None, found: Assessment) -> list[said.File]:
    """What a predictor may open: nothing but model.h5 unless every program passed."""
    passed = {program.file for program in manifest.programs} if manifest and found.agreements else set()
    chosen = [said.File(file.name, file.sha256, file.size) for file in files if file.name == MODEL_FILE or file.name in passed]
    return sorted(chosen, key=lambda file: file.name != MODEL_FILE)


def _made_from(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        nothing = dict.fromkeys(("task", "sandbox", "loss"), "")
        return {**nothing, "labels": (), "dataset": None, "history": {}, "versions": {}, "seeds": {}}
    return {
        "task": manifest.task,
        "labels": manifest.labels,
        "dataset": said.Dataset(**asdict(manifest.dataset)) if manifest.dataset else None,
        "history": manifest.history,
        "versions": manifest.versions,
        "seeds": manifest.seeds,
        "sandbox": manifest.sandbox,
        "loss": manifest.loss,
        "confidence": manifest.confidence,
        "inputs": _tensors(manifest.inputs),
        "outputs": _tensors(manifest.outputs),
        "engine": manifest.engine,
        "environment_sha256": manifest.environment_sha256,
    }


def _tensors(specs: Iterable[TensorSpec]) -> tuple[said.Tensor, ...]:
    return tuple(said.Tensor(spec.name, spec.dtype, spec.shape) for spec in specs)


def _comparison(found: Comparison | None) -> Comparison | None:
    if found is None:
        return None
    return replace(found, differences={name: _difference(apart) for name, apart in found.differences.items()})


def _slice(found: SliceFound) -> SliceFound:
    differences, p_values = found.differences, found.p_values
    return replace(
        found,
        metrics={name: _estimate(value) for name, value in found.metrics.items()},
        champion=None if found.champion is None else _numbers(found.champion),
        differences=None if differences is None else {name: _difference(apart) for name, apart in differences.items()},
        p_values=None if p_values is None else {name: value for name, value in p_values.items() if math.isfinite(value)},
    )


def _errors(found: Assessment) -> tuple[str, ...]:
    """Give the metrics of this report of which less is better, without those of single classes: they go by what they are of."""
    named = {
        name.partition("[")[0].partition(".")[0] for name in (*_estimates(found), *(each.result.metric for each in found.judged))
    }
    return tuple(sorted(name for name in named if is_error(name) or name in LESS_IS_BETTER))


def _estimate(found: Estimate) -> Estimate:
    return Estimate(_finite(found.value), _finite(found.low), _finite(found.high))


def _difference(found: Difference) -> Difference:
    return Difference(_finite(found.value), _finite(found.low), _finite(found.high), found.method)


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in metrics.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def measured_costs(found: Assessment) -> MeasuredCosts:
    """What differs from run to run."""
    rows = found.measured.answered.rows if found.measured else 0
    seconds = found.run.run_seconds if found.run else None
    return MeasuredCosts(
        schema=SCHEMA,
        child_seconds=found.child_seconds,
        load_seconds=found.run.load_seconds if found.run else None,
        run_seconds=seconds,
        seconds_per_row=seconds / rows if seconds is not None and rows else None,
        peak_memory_bytes=found.run.peak_memory_bytes if found.run else None,
        costs={name: Cost(_finite(value), _finite(live)) for name, (value, live) in found.costs.items()},
        evaluation_seconds=found.seconds,
    )
