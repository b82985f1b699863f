"""report.json: everything about one evaluation, repeatable to the byte; and the event that is made of it alone.

No time, no machine, no version of this program stands in it: the same files, gates and settings give the same bytes. What was
measured on the way (seconds, memory) stands in measured.json. The shape is report.schema.json's.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pushline.evaluator.agreement import Agreement
from pushline.evaluator.assessment import Assessment, Rules
from pushline.evaluator.gates import Champion, Numbers
from pushline.evaluator.known_metrics import FIRST_METRIC
from pushline.evaluator.measures import Measured
from pushline.evaluator.ports import Answers
from pushline.evaluator.verdict import Evaluation
from pushline.line.events import Commit, File, GateResult, Metric, ModelEvaluated, Serving
from pushline.objects.manifest import Manifest, Program

SCHEMA = 1
MAX_EVENT_BYTES = 48 * 1024  # of gates, metrics and files; the rest of a record's 64 KiB is for the commit and the headers
MAX_SENTENCE = 1000
MODEL_FILE = "model.h5"

Json = dict[str, Any]


class BadReport(Exception):
    """The bytes are no report of this work."""


def build(work: Evaluation, manifest: Manifest | None, found: Assessment, rules: Rules) -> Json:
    event, measured = work.trained.event, found.measured
    return {
        "schema": SCHEMA,
        "model": event.model,
        "run_id": event.run_id,
        "generation": event.generation,
        "attempt": event.attempt,
        "commit": asdict(event.commit),
        "caused_by": work.trained.id,
        "digest": event.digest,
        "manifest_sha256": event.manifest_sha256,
        "baseline_digest": work.baseline,
        "verdict": found.verdict.verdict,
        "reason": found.verdict.reason,
        "sentence": found.verdict.sentence,
        "gates": [asdict(judged.result) for judged in found.judged],
        "metrics": _numbers(measured.numbers if measured else {}),
        "constant": measured.constant if measured else None,
        "first_metric": FIRST_METRIC.get(manifest.task, "") if manifest else "",
        "classes": [asdict(row) for row in measured.classes] if measured else [],
        "confusion": [list(row) for row in measured.confusion] if measured else [],
        "champion": _champion(work.champion, found.champion) if work.champion else None,
        "agreement": _agreement(manifest, found.agreements, rules),
        "files": _files(event.files, manifest, found),
        **_made_from(manifest),
    }


def _champion(serving: Serving, measured: Champion | None) -> Json:
    return {
        "digest": serving.digest,
        "run_id": serving.run_id,
        "generation": serving.generation,
        "attempt": serving.attempt,
        "sha": serving.commit.sha,
        "metrics": _numbers(measured.metrics if measured else {}),
        "problem": measured.problem if measured else "it was not measured, as this run was refused before",
    }


def _agreement(manifest: Manifest | None, agreements: tuple[Agreement, ...], rules: Rules) -> Json:
    programs = _programs(manifest) if manifest and agreements else ()
    each = [
        {"file": program.file, "batch": program.batch, "rows": found.rows, "max_abs_difference": found.difference}
        for program, found in zip(programs, agreements, strict=True)
    ]
    worst = max((found.difference for found in agreements), default=None)
    return {"tolerance": rules.tolerance, "max_abs_difference": worst, "programs": each}


def _programs(manifest: Manifest) -> tuple[Program, ...]:
    return manifest.programs if manifest.engine == "litert" else (Program(MODEL_FILE, None),)


def _files(files: Iterable[File], manifest: Manifest | None, found: Assessment) -> list[Json]:
    """What a predictor may open: nothing but model.h5 unless every program passed."""
    passed = {program.file for program in manifest.programs} if manifest and found.agreements else set()
    chosen = [file for file in files if file.name == MODEL_FILE or file.name in passed]
    return [asdict(file) for file in sorted(chosen, key=lambda file: file.name != MODEL_FILE)]


def _made_from(manifest: Manifest | None) -> Json:
    if manifest is None:
        return {"task": "", "labels": [], "dataset": None, "history": {}, "versions": {}, "seeds": {}, "sandbox": "", "loss": ""}
    return {
        "task": manifest.task,
        "labels": list(manifest.labels),
        "dataset": asdict(manifest.dataset) if manifest.dataset else None,
        "history": {name: list(values) for name, values in manifest.history.items()},
        "versions": dict(manifest.versions),
        "seeds": dict(manifest.seeds),
        "sandbox": manifest.sandbox,
        "loss": manifest.loss,
    }


def _numbers(metrics: Numbers) -> Json:
    return {name: value if value is not None and math.isfinite(value) else None for name, value in metrics.items()}


def measured_json(run: Answers | None, measured: Measured | None, child_seconds: float = 0.0) -> bytes:
    """What differs from run to run."""
    rows = measured.answered.rows if measured else 0
    seconds = run.run_seconds if run else None
    return dump(
        {
            "schema": SCHEMA,
            "child_seconds": child_seconds,
            "load_seconds": run.load_seconds if run else None,
            "run_seconds": seconds,
            "seconds_per_row": seconds / rows if seconds is not None and rows else None,
            "peak_memory_bytes": run.peak_memory_bytes if run else None,
        }
    )


def dump(report: Json) -> bytes:
    return json.dumps(report, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def event_of(report: bytes, key: str) -> ModelEvaluated:
    """Make the event of a report's bytes, and of nothing else. Raises BadReport."""
    try:
        said = json.loads(report)
        if said["schema"] != SCHEMA:
            raise BadReport(f"{key} has the schema {said['schema']}")
        gates, metrics = _shortened(said)
        return ModelEvaluated(
            model=said["model"],
            run_id=said["run_id"],
            generation=said["generation"],
            attempt=said["attempt"],
            commit=Commit(**said["commit"]),
            caused_by=said["caused_by"],
            digest=said["digest"],
            baseline_digest=said["baseline_digest"],
            verdict=said["verdict"],
            reason=said["reason"],
            sentence=said["sentence"][:MAX_SENTENCE],
            gates=gates,
            metrics=metrics,
            dataset_sha256=said["dataset"]["sha256"] if said["dataset"] else "",
            dataset_origin=said["dataset"]["origin"] if said["dataset"] else "",
            report_key=key,
            report_sha256=hashlib.sha256(report).hexdigest(),
            manifest_sha256=said["manifest_sha256"],
            files=tuple(File(**file) for file in said["files"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadReport(f"{key} cannot be read: {error!r}") from error


def _shortened(said: Json) -> tuple[tuple[GateResult, ...], tuple[Metric, ...]]:
    """Gates and the numbers they are about, as many as a record holds: refused gates first to stay, in the report's order."""
    gates = [GateResult(**{**gate, "sentence": gate["sentence"][:MAX_SENTENCE]}) for gate in said["gates"]]
    room = MAX_EVENT_BYTES - _size(said["files"])
    kept = _fitting(sorted(range(len(gates)), key=lambda at: (gates[at].passed, at)), [asdict(gate) for gate in gates], room)
    wanted = dict.fromkeys([said["first_metric"], *(gates[at].metric for at in kept)])
    named = [{"name": name, "value": said["metrics"][name]} for name in wanted if said["metrics"].get(name) is not None]
    room -= sum(_size(asdict(gates[at])) for at in kept)
    numbers = [named[at] for at in sorted(_fitting(range(len(named)), named, room))]
    return tuple(gates[at] for at in sorted(kept)), tuple(Metric(**number) for number in numbers)


def _fitting(order: Iterable[int], items: list[Json], room: int) -> list[int]:
    kept: list[int] = []
    for at in order:
        room -= _size(items[at])
        if room < 0:
            break
        kept.append(at)
    return kept


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
