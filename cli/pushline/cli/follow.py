"""Follow one run in the log until it ends, and say how it ended."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol

from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.logs import find_run
from pushline.cli.runs import RunView, view_run
from pushline.cli.sentences import what_of
from pushline.cli.training import Training, newest_training
from pushline.line.codec import Entry
from pushline.line.events import Event, ModelDeployed, ModelTrained
from pushline.line.ledger import Ledger, Run
from pushline.objects.store import StoreError
from pushline.runtime.durations import parse_duration

LOOK_SECONDS = 0.3
SOON_SECONDS = 1.0
ENDS = {"rejected": Exit.RUN_REJECTED, "failed": Exit.RUN_FAILED, "superseded": Exit.RUN_SUPERSEDED}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, for who waited for it."""

    code: Exit
    sentence: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the log says of a run now."""

    view: RunView
    steps: tuple[tuple[str, str], ...]  # step and sentence, in order
    served_by: tuple[str, ...]
    trouble: str  # replicas that could not load it
    ending: Ending | None


class Show(Protocol):
    """What is shown of a run while it is followed."""

    def look(self, look: Look) -> None: ...

    def training(self, training: Training | None) -> None: ...

    def note(self, sentence: str) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    served: int
    timeout_seconds: float
    appear_seconds: float


def patience(served: int, timeout: str, appear: str) -> Patience:
    """Raises Said where a duration is none."""
    return Patience(served, _seconds("--timeout", timeout), _seconds("--appear", appear))


def await_run(seen: OpenLine, name: str, model: str, patience: Patience, show: Show) -> str:
    """Give the id of the run that is named so, once it is there. Raises Said."""

    def found(ledger: Ledger) -> str | None:
        try:
            return find_run(ledger, name, model).run_id
        except Said as said:
            if said.code != Exit.NOT_FOUND:
                raise
            return None

    with suppress(TimeoutError):
        return seen.tail.wait_until(found, min(SOON_SECONDS, patience.appear_seconds))
    seconds = min(patience.appear_seconds, patience.timeout_seconds)
    show.note(f"{name[:12]} is not on the line yet; waiting for it for up to {seconds:g} s")
    try:
        return seen.tail.wait_until(found, seconds)
    except TimeoutError:
        raise Said(
            f"No run or commit that starts with {name!r} came within {seconds:g} s; `pushline runs` lists them.", Exit.NOT_FOUND
        ) from None


def follow(seen: OpenLine, run_id: str, patience: Patience, show: Show) -> Ending:
    """Show each change until the run ends or the time is over."""
    deadline = time.monotonic() + patience.timeout_seconds
    try:
        return _follow(seen, run_id, patience, show, deadline)
    finally:
        show.close()


def _follow(seen: OpenLine, run_id: str, patience: Patience, show: Show, deadline: float) -> Ending:
    known: Look | None = None
    problem = ""
    while known is None or known.ending is None:
        before, now = known, _next(seen, lambda ledger: look_at(ledger.runs.get(run_id), patience.served), known)
        known = now or known
        if known is not None:
            _show(seen, before, known, show)
        if time.monotonic() > deadline and (known is None or known.ending is None):
            return _too_late(known, patience)
        if seen.tail.problem != problem and (problem := seen.tail.problem):
            show.note(f"{problem}; waiting")
    return known.ending


def _show(seen: OpenLine, before: Look | None, known: Look, show: Show) -> None:
    """What a training said last comes before what became of it. What it said to its end is for `pushline logs`."""
    if before is None:
        show.look(known)
    if "training" in {(before or known).view.stage, known.view.stage}:
        show.training(_training(seen, known.view, show))
    if before is not None and before != known:
        show.look(known)


def _next(seen: OpenLine, find: Callable[[Ledger], Look | None], known: Look | None) -> Look | None:
    """Give what is new; None where nothing is for a moment."""

    def changed(ledger: Ledger) -> Look | None:
        now = find(ledger)
        return now if now != known else None

    try:
        return seen.tail.wait_until(changed, LOOK_SECONDS)
    except TimeoutError:
        return None


def _training(seen: OpenLine, view: RunView, show: Show) -> Training | None:
    try:
        return newest_training(seen.store, view.model, view.run_id)
    except StoreError as error:
        show.note(f"the store does not answer: {error}")
        return None


def look_at(run: Run | None, served: int) -> Look | None:
    if run is None:  # the log is read anew from its beginning
        return None
    serving = tuple(
        sorted(name for name, told in run.line.served.items() if told.event.run_id == run.run_id and told.event.state == "serving")
    )
    failed = [f"{name}: {told.event.sentence}" for name, told in sorted(run.line.served.items()) if _failed(told, run)]
    steps = [(name, _words(entry.event)) for name, entry in _entries(run) if entry is not None]
    if serving:
        steps.append(("serving", f"in service on {', '.join(serving)}"))
    return Look(view_run(run), tuple(steps), serving, "; ".join(failed), ending(run, served, len(serving)))


def ending(run: Run, served: int, serving: int) -> Ending | None:
    """Say how the run ended; None while it goes on."""
    name = f"commit {run.commit.sha[:10]} of {run.model}"
    if run.outcome in ENDS:
        why = run.sentence.strip().partition("\n")[0] or "no sentence given"
        how = run.outcome if run.outcome == "failed" else f"was {run.outcome}"
        return Ending(ENDS[run.outcome], f"{name} {how} ({run.reason}): {why}")
    if run.stage == "held":
        return Ending(Exit.RUN_HELD, f"{name} is accepted and rests: the model is on hold.")
    if run.outcome != "deployed":
        return None
    live = run.line.live[0] if run.line.live else None
    if live is None or live.run_id != run.run_id:
        now = f"commit {live.commit.sha[:10]} (deploy_seq {run.line.deploy_seq})" if live else "nothing"
        return Ending(Exit.RUN_REPLACED, f"{name} was deployed, but live is {now} by now.")
    if serving < served:
        return None
    return Ending(Exit.OK, f"{name} is live (deploy_seq {run.line.deploy_seq}, digest {live.digest[:12]}).")


def plain_look(look: Look) -> dict[str, object]:
    told: dict[str, object] = {"run": asdict(look.view), "served_by": list(look.served_by), "could_not_load": look.trouble}
    if look.ending is not None:
        told["ended"] = {"exit_code": int(look.ending.code), "sentence": look.ending.sentence}
    return told


def _failed(told: Entry[Event], run: Run) -> bool:
    return told.event.run_id == run.run_id and getattr(told.event, "state", "") == "failed"


def _entries(run: Run) -> list[tuple[str, Entry[Event] | None]]:
    verdicts = list(run.evaluated.values())
    newest = run.verdict or (verdicts[-1] if verdicts else None)
    return [
        ("pushed", run.push),
        ("ended" if run.trained and run.trained.event.outcome in ENDS else "trained", run.trained),
        ("evaluated", newest),
        ("deployed" if run.outcome in {"", "deployed"} else "closed", run.slot),
    ]


def _words(event: Event) -> str:
    """Why a run ended otherwise is said once, in the end."""
    outcome = getattr(event, "outcome", "")
    return f"{outcome} ({event.reason})" if isinstance(event, ModelTrained | ModelDeployed) and outcome in ENDS else what_of(event)


def _too_late(known: Look | None, patience: Patience) -> Ending:
    seconds = f"{patience.timeout_seconds:g} s"
    if known is None:
        return Ending(Exit.TIMED_OUT, f"The run could not be seen within {seconds}.")
    name = f"commit {known.view.commit[:10]} of {known.view.model}"
    if known.view.outcome == "deployed":
        trouble = f" ({known.trouble})" if known.trouble else ""
        return Ending(
            Exit.TIMED_OUT,
            f"{name} is deployed, but {len(known.served_by)} of {patience.served} replicas serve it after {seconds}{trouble}.",
        )
    return Ending(Exit.TIMED_OUT, f"{name} is still at {known.view.stage} after {seconds}; it goes on.")


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Said(f"{option}: {error}.", Exit.USAGE) from None
