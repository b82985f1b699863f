"""What is open in the whole line, for people and dashboards: a pure look at the ledger. No decision hangs on it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pushline.line.ledger import Ledger, Run

STAGES = ("training", "evaluating", "deciding", "held")


@dataclass(slots=True)
class OpenRuns:
    """Runs that wait for one stage; `oldest_ms` is when the record came that the one waits with which has waited longest."""

    stage: str
    runs: int = 0
    oldest_ms: int | None = None


def open_runs(ledger: Ledger) -> tuple[OpenRuns, ...]:
    found = {stage: OpenRuns(stage) for stage in STAGES}
    for run in ledger.runs.values():
        open_ = found.get(run.stage)
        if open_ is not None:
            open_.runs += 1
            since = waits_since_ms(run)
            open_.oldest_ms = since if open_.oldest_ms is None else min(open_.oldest_ms, since)
    return tuple(found.values())


def to_serve(ledger: Ledger) -> tuple[tuple[str, int], ...]:
    """Give by model the number that every replica is to follow; none of models on which nothing is live."""
    return tuple((line.name, line.deploy_seq) for line in ledger.models.values() if line.live)


def waits_since_ms(run: Run) -> int:
    """Give when the newest record of the run itself came. A live model that changes under it does not make it younger."""
    entries = (run.push, run.trained, *run.evaluated.values())
    return max(entry.timestamp_ms for entry in entries if entry is not None)


def glance(read: Callable[[], AbstractContextManager[Ledger]]) -> tuple[tuple[OpenRuns, ...], tuple[tuple[str, int], ...]]:
    """Give both at one moment; `read` is a tail's."""
    with read() as ledger:
        return open_runs(ledger), to_serve(ledger)
