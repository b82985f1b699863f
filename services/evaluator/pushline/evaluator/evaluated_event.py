"""The `evaluated` event: made of a report's bytes and of nothing else, so that whoever finds the report says the same."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from pushline.evaluator.verdict import Verdict
from pushline.line.events import Commit, Event, File, GateResult, Metric, ModelEvaluated
from pushline.line.less import SHORT
from pushline.reports import BadReport, Report, read

MAX_EVENT_BYTES = 48 * 1024  # of gates, metrics and files; the rest of a record's 64 KiB is for the commit and the headers
MAX_SENTENCE = 1000
_TOO_LARGE = Verdict(
    "failed",
    "event_too_large",
    "It was judged, and the broker takes no record that names its files (max.message.bytes of evaluated).",
)


def event_of(report: bytes, key: str) -> ModelEvaluated:
    """Raises BadReport. Reports of version 1 give the event that they always gave."""
    try:
        said = read(report)
    except BadReport as error:
        raise BadReport(f"{key} cannot be read: {error}") from None
    gates, metrics = _shortened(said)
    return ModelEvaluated(
        model=said.model,
        run_id=said.run_id,
        generation=said.generation,
        attempt=said.attempt,
        commit=Commit(**asdict(said.commit)),
        caused_by=said.caused_by,
        digest=said.digest,
        baseline_digest=said.baseline_digest,
        verdict=said.verdict,
        reason=said.reason,
        sentence=said.sentence[:MAX_SENTENCE],
        gates=gates,
        metrics=metrics,
        dataset_sha256=said.dataset.sha256 if said.dataset else "",
        dataset_origin=said.dataset.origin if said.dataset else "",
        report_key=key,
        report_sha256=hashlib.sha256(report).hexdigest(),
        manifest_sha256=said.manifest_sha256,
        files=_files(said),
    )


def less(event: Event) -> ModelEvaluated | None:
    """Say it with less, as the report has all of it; in the end without the files, which only what may go live must name."""
    if not isinstance(event, ModelEvaluated):
        return None
    if event.gates or event.metrics or len(event.sentence) > SHORT:
        return replace(event, gates=(), metrics=(), sentence=event.sentence[:SHORT])
    if not event.files:
        return None
    if event.verdict in ("accepted", "inconclusive"):
        event = replace(event, verdict=_TOO_LARGE.verdict, reason=_TOO_LARGE.reason, sentence=_TOO_LARGE.sentence)
    return replace(event, files=())


def _files(said: Report) -> tuple[File, ...]:
    return tuple(File(file.name, file.sha256, file.size) for file in said.files)


def _shortened(said: Report) -> tuple[tuple[GateResult, ...], tuple[Metric, ...]]:
    """Gates and the numbers they are about, as many as a record holds: refused gates first to stay, in the report's order."""
    gates = [_gate(said, at) for at in range(len(said.gates))]
    room = MAX_EVENT_BYTES - _size([asdict(file) for file in said.files])
    kept = _fitting(sorted(range(len(gates)), key=lambda at: (gates[at].passed, at)), [asdict(gate) for gate in gates], room)
    wanted = dict.fromkeys([said.first_metric, *(gates[at].metric for at in kept)])
    values = {name: said.metrics[name].value for name in wanted if name in said.metrics}
    named = [Metric(name, value) for name, value in values.items() if value is not None]
    room -= sum(_size(asdict(gates[at])) for at in kept)
    numbers = sorted(_fitting(range(len(named)), [asdict(metric) for metric in named], room))
    return tuple(gates[at] for at in sorted(kept)), tuple(named[at] for at in numbers)


def _gate(said: Report, at: int) -> GateResult:
    gate = said.gates[at]
    numbers = gate.threshold, gate.value, gate.champion
    return GateResult(gate.metric, gate.rule, *numbers, passed=gate.passed, sentence=gate.sentence[:MAX_SENTENCE])


def _fitting(order: Iterable[int], items: Sequence[dict[str, Any]], room: int) -> list[int]:
    kept: list[int] = []
    for at in order:
        room -= _size(items[at])
        if room < 0:
            break
        kept.append(at)
    return kept


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
