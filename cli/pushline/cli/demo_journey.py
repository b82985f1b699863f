"""One commit's way from the push to the predictors, followed in the log."""

import time
from dataclasses import dataclass

from pushline.cli.demo_view import DemoView
from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.sentences import what_of
from pushline.cli.training import peek
from pushline.line.codec import Entry
from pushline.line.events import Event
from pushline.line.ledger import Ledger, Run

LOOK_SECONDS, TIMEOUT_SECONDS = 0.05, 75.0
EPOCH_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Sight:
    """What the log says of a commit now."""

    run_id: str
    model: str
    steps: dict[str, str]  # step → sentence, in order
    outcome: str
    sentence: str


def follow(seen: OpenLine, sha: str, view: DemoView) -> Sight:
    """Show each step as it happens until a predictor serves the commit. Raises Said where it ends otherwise."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    shown: set[str] = set()
    sight = None
    while time.monotonic() < deadline:
        sight = look(seen, sha)
        for name in sight.steps if sight else ():
            if name not in shown and sight:
                view.step(name, sight.steps[name])
                shown.add(name)
        if sight and _ended(sight):
            return sight
        if sight and "trained" not in sight.steps:
            _watch_epochs(seen, sight, view, deadline)
        time.sleep(LOOK_SECONDS)
    reached = next(reversed(sight.steps), "nothing") if sight else "nothing"
    raise Said(f"Commit {sha[:10]} was not live after {TIMEOUT_SECONDS:g} s; the last that happened: {reached}.", Exit.FAILED)


def look(seen: OpenLine, sha: str) -> Sight | None:
    with seen.tail.read() as ledger:
        return _sight(ledger, sha)


def _watch_epochs(seen: OpenLine, sight: Sight, view: DemoView, deadline: float) -> None:
    with view.epochs() as epochs:
        while time.monotonic() < deadline:
            epochs.show(peek(seen.store, sight.model, sight.run_id))
            try:
                seen.tail.wait_until(lambda ledger: ledger.runs[sight.run_id].trained, EPOCH_LOOK_SECONDS)
            except TimeoutError:
                continue
            epochs.show(peek(seen.store, sight.model, sight.run_id))
            return


def _ended(sight: Sight) -> bool:
    if sight.outcome and sight.outcome != "deployed":
        raise Said(f"The run ended as {sight.outcome}: {sight.sentence}", Exit.FAILED)
    return "serving" in sight.steps


def _sight(ledger: Ledger, sha: str) -> Sight | None:
    run = next((run for run in ledger.runs.values() if run.commit.sha == sha), None)
    if run is None:
        return None
    steps = {name: what_of(entry.event) for name, entry in _entries(run) if entry is not None}
    return Sight(run.run_id, run.model, steps, run.outcome, run.sentence)


def _entries(run: Run) -> list[tuple[str, Entry[Event] | None]]:
    verdict = next(iter(run.evaluated.values()), None)
    served = run.slot and next((entry for entry in run.line.served.values() if _serves(entry, run)), None)
    return [("pushed", run.push), ("trained", run.trained), ("evaluated", verdict), ("deployed", run.slot), ("serving", served)]


def _serves(entry: Entry[Event], run: Run) -> bool:
    return entry.event.run_id == run.run_id and getattr(entry.event, "state", "") == "serving"
