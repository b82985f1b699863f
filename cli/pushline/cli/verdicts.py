"""Which verdict a person means, and its report out of the store, verified."""

import hashlib
from dataclasses import dataclass

from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.logs import find_run
from pushline.cli.targets import model_of
from pushline.line.codec import Entry
from pushline.line.events import ModelEvaluated
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.objects.store import ObjectMissing, StoreError
from pushline.reports import BadReport, Report, read
from pushline.reports.reading import MAX_BYTES

LIVE = "live"
REPORT, PAGE, MEASURED = "report.json", "report.html", "measured.json"


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict's event, and the report that it names."""

    event: ModelEvaluated
    data: bytes
    report: Report


def find_verdict(ledger: Ledger, which: str, model: str = "") -> ModelEvaluated:
    """`which` is a prefix of a run id or commit SHA, or `live`. Raises Said where there is no verdict."""
    run = _live(ledger, model) if which == LIVE else find_run(ledger, which, model)
    decided = deciding(run)
    if decided is None:
        why = f": {run.sentence}" if run.sentence else ""
        raise Said(f"Run {run.run_id} has no verdict; it is {run.stage}{why}.", Exit.NOT_FOUND)
    return decided.event


def deciding(run: Run) -> Entry[ModelEvaluated] | None:
    """Give the verdict after which it was promoted or closed, else the one against what is live now, else any."""
    slot = run.slot
    named = next((each for each in run.evaluated.values() if slot is not None and each.id == slot.event.caused_by), None)
    return named or run.verdict or next(reversed(run.evaluated.values()), None)


def _live(ledger: Ledger, model: str) -> Run:
    lines = {name: line for name, line in sorted(ledger.models.items()) if line.live}
    if model:
        model_of(ledger, model)
    chosen = {model: lines[model]} if model in lines else {} if model else lines
    if not chosen:
        raise Said(f"No model is live{f' as {model}' if model else ''} yet.", Exit.NOT_FOUND)
    if len(chosen) > 1:
        raise Said(f"Several models are live ({', '.join(chosen)}); name one by --model.", Exit.USAGE)
    return _run_of(ledger, next(iter(chosen.values())))


def _run_of(ledger: Ledger, line: ModelLine) -> Run:
    run = ledger.runs.get(line.live[0].run_id)
    if run is None:
        raise Said(f"The run of the live model {line.live[0].digest[:12]} is not in the log.", Exit.NOT_FOUND)
    return run


def fetch(line: OpenLine, event: ModelEvaluated) -> Found:
    """Raises Said where the report is not there, or is not the one that the event names."""
    data = _read(line, event.report_key)
    if hashlib.sha256(data).hexdigest() != event.report_sha256:
        raise Said(f"{event.report_key} is not the report that the verdict was made of: its SHA-256 is another.", Exit.REFUSED)
    try:
        return Found(event, data, read(data))
    except BadReport as error:
        raise Said(f"{event.report_key} cannot be read: {error}.", Exit.BAD_FILE) from None


def beside(line: OpenLine, event: ModelEvaluated, name: str) -> bytes:
    """Give another file of the same evaluation; empty where there is none: nothing was promised about it."""
    try:
        return line.store.read_bytes(event.report_key.removesuffix(REPORT) + name, MAX_BYTES)
    except StoreError:
        return b""


def _read(line: OpenLine, key: str) -> bytes:
    if not key:
        raise Said("The verdict names no report.", Exit.NOT_FOUND)
    try:
        return line.store.read_bytes(key, MAX_BYTES)
    except ObjectMissing as error:
        raise Said(f"The report is gone: {error}; it was removed (pushline gc, or by hand).", Exit.NOT_FOUND) from None
    except StoreError as error:
        raise Said(f"The report cannot be read: {error}.", Exit.UNREACHABLE) from None
