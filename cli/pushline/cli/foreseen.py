"""What an act would do, told before it is done: the fold's own answer, and the deployer's own rules for the open runs. Pure."""

from dataclasses import dataclass

from pushline.cli.exits import Exit, Said
from pushline.line.events import ModelDeployed
from pushline.line.ledger import Ledger, ModelLine, Prospect, Run, foresee, prospect


@dataclass(frozen=True, slots=True)
class Next:
    """An open run, and what would become of it."""

    run_id: str
    commit: str
    stage: str  # now
    prospect: Prospect
    sentence: str
    changes: bool  # it would be another one without the act


@dataclass(frozen=True, slots=True)
class Foreseen:
    event: ModelDeployed
    live_before: str  # digest; `none`
    live_after: str
    barred: tuple[str, ...]  # digests that the act bars
    unbarred: tuple[str, ...]  # those whose bar it lifts
    floor_before: int
    floor_after: int
    goes_live: str  # the run that would go live next, by itself; empty: none
    runs: tuple[Next, ...]  # open ones, newest first


def foreseen(ledger: Ledger, event: ModelDeployed) -> Foreseen:
    """Raises Said where the line would refuse the record."""
    before = ledger.line(event.model)
    judgement, after = foresee(ledger, event)
    if judgement.verdict != "valid":
        raise Said(f"The line would refuse the {event.kind}: {judgement.sentence}. Nothing changed.", Exit.REFUSED)
    goes = _goes_live(after)
    return Foreseen(
        event=event,
        live_before=before.live_digest,
        live_after=after.live_digest,
        barred=tuple(sorted(after.barred - before.barred)),
        unbarred=tuple(sorted(before.barred - after.barred)),
        floor_before=before.floor_generation,
        floor_after=after.floor_generation,
        goes_live=goes.run_id if goes else "",
        runs=_nexts(before, after, goes),
    )


def _goes_live(line: ModelLine) -> Run | None:
    return next((run for run in reversed(line.runs) if prospect(run) == "promotable"), None)


def _nexts(before: ModelLine, after: ModelLine, goes: Run | None) -> tuple[Next, ...]:
    now = {run.run_id: run for run in before.runs}
    return tuple(_next(now[run.run_id], run, goes) for run in reversed(after.runs) if prospect(run) != "ended")


def _next(before: Run, after: Run, goes: Run | None) -> Next:
    comes = prospect(after)
    if goes is not None and after.rank < goes.rank:
        comes = "too_old"
    sentence = _sentence(after, comes, goes)
    return Next(after.run_id, after.commit.sha, before.stage, comes, sentence, prospect(before) != comes)


def _sentence(run: Run, comes: Prospect, goes: Run | None) -> str:
    line = run.line
    live = f"{line.live_digest[:12]}, live by then" if line.live else "nothing live"
    told = run.verdict.event if run.verdict else None
    sentences: dict[Prospect, str] = {
        "too_old": "is closed as superseded" + (", as a newer run goes live" if goes and run.rank < goes.rank else _fenced(line)),
        "training": f"is trained, then judged against {live}",
        "barred": "is closed as rejected: its model is barred",
        "unjudged": f"is judged against {live}; goes live if accepted" + (" and released" if line.on_hold else ""),
        "promotable": "goes live by itself",
        "resting": f"is accepted, and rests until {line.name} is released",
        "refused": f"is closed, as it was judged: {told.verdict if told else ''}",
    }
    return sentences[comes]


def _fenced(line: ModelLine) -> str:
    if line.floor_generation and line.fence[0] == line.floor_generation:
        return f": pushed before the rollback (generation {line.floor_generation})"
    return ": a newer run was promoted"
