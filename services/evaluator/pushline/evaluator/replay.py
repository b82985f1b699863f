"""A verdict made once more: the same run against the same live model, and its report compared byte for byte. Writes nothing."""

import hashlib
import threading
from dataclasses import dataclass

from pushline.evaluator.on_trained import MAX_REPORT_BYTES, OnTrained
from pushline.evaluator.verdict import Evaluation, evaluation_of
from pushline.line.events import NOTHING_LIVE, ModelEvaluated, Serving
from pushline.line.ledger import Ledger, ModelLine
from pushline.line.tail import Tail
from pushline.reports import Report, read
from pushline.reports.compare import differences
from pushline.reports.reading import parse


class NothingToReplay(Exception):
    """There is no such verdict, or what it was made of is gone; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Difference:
    field: str
    stored: str
    again: str


@dataclass(frozen=True, slots=True)
class Replayed:
    run_id: str
    report_key: str
    sha256: str  # of the stored report
    bytes: int
    same: bool
    older: bool  # the stored one was written by an earlier version of this program
    differences: tuple[Difference, ...]


def find(ledger: Ledger, run_id: str, baseline: str) -> ModelEvaluated:
    """Raises NothingToReplay."""
    run = ledger.runs.get(run_id)
    evaluated = run.evaluated.get(baseline) if run else None
    if evaluated is None:
        raise NothingToReplay(f"run {run_id} has no verdict against {baseline[:12]}")
    return evaluated.event


def work_of(ledger: Ledger, event: ModelEvaluated, stored: Report) -> Evaluation:
    """Give the work that this verdict was the answer to: what was live then is what its report names. Raises NothingToReplay."""
    run = ledger.runs[event.run_id]
    if run.trained is None:
        raise NothingToReplay(f"run {event.run_id} was not trained")
    if event.baseline_digest == NOTHING_LIVE:
        return evaluation_of(run.line, run.trained, NOTHING_LIVE, None)
    return evaluation_of(run.line, run.trained, event.baseline_digest, _serving(run.line, stored))


def _serving(line: ModelLine, stored: Report) -> Serving:
    live = stored.champion
    served = (serving for entry in reversed(line.deployments) for serving in entry.event.serving)
    found = next((each for each in served if live and (each.run_id, each.digest) == (live.run_id, live.digest)), None)
    if found is None:
        raise NothingToReplay("what was live then is not in the log")
    return found


def replay(tail: Tail, judge: OnTrained, run_id: str, baseline: str) -> Replayed:
    """`tail` has caught up. Raises NothingToReplay, BadReport, StoreError, CannotRun."""
    with tail.read() as ledger:
        event = find(ledger, run_id, baseline)
    data = judge.store.read_bytes(event.report_key, MAX_REPORT_BYTES)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != event.report_sha256:
        raise NothingToReplay(f"{event.report_key} is not the report that the verdict was made of")
    stored = read(data)
    with tail.read() as ledger:
        work = work_of(ledger, event, stored)
    again = judge.again(work, threading.Event())
    apart = () if again == data else tuple(Difference(*each) for each in differences(parse(data), parse(again)))
    return Replayed(run_id, event.report_key, sha256, len(data), again == data, stored.is_older, apart)
