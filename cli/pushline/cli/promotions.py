"""A person's promote over an inconclusive verdict. Pure.

The ledger excuses it from slot and baseline, not from fence, hold and bar. For a run in any other state there is another command,
or none; the refusal says which.
"""

from dataclasses import dataclass

from pushline.cli.acts import Person, record
from pushline.cli.exits import Exit, Said
from pushline.cli.targets import passed, serving_of
from pushline.line.codec import Entry
from pushline.line.events import ModelDeployed, ModelEvaluated, ModelTrained
from pushline.line.ledger import ModelLine, Run

INSTEAD = {
    "accepted": "it is accepted, and goes live by itself",
    "rejected": "it was rejected: pushline redeploy puts it live all the same",
    "failed": "it failed, and has no model to put live: pushline rerun trains it again",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict that a person goes over."""

    event: ModelEvaluated
    now: bool  # against what is live now; else against an older model


def promote(line: ModelLine, run_id: str, person: Person) -> tuple[ModelDeployed, Judged]:
    """Raises Said where the run is not one to be promoted by a person."""
    run = next(run for run in line.runs if run.run_id == run_id)
    _refuse_live(line, run)
    judged = _verdict(run)
    _refuse_other_verdicts(run, judged.event)
    _refuse_by_rules(line, run, judged.event)
    return record(line, "promote", serving_of(run, judged.event), person), judged


def _refuse_live(line: ModelLine, run: Run) -> None:
    if line.live and line.live[0].run_id == run.run_id:
        raise _refused(run, "is live already")
    if any(entry.event.run_id == run.run_id and entry.event.kind not in ("hold", "release", "close") for entry in line.deployments):
        raise _refused(run, "was live before: pushline rollback or redeploy puts it back")


def _verdict(run: Run) -> Judged:
    if run.trained is None:
        raise _refused(run, "is not trained yet: wait for its verdict (pushline wait)")
    if run.trained.event.outcome != "succeeded":
        raise _refused(run, _without_model(run.trained))
    decided: Entry[ModelEvaluated] | None = run.verdict or next(reversed(run.evaluated.values()), None)
    if decided is None and run.outcome:
        raise _refused(run, f"was {run.outcome} before it was judged: pushline rerun trains it again")
    if decided is None:
        raise _refused(run, "is not judged yet: wait for its verdict (pushline wait)")
    return Judged(decided.event, now=decided is run.verdict)


def _without_model(trained: Entry[ModelTrained]) -> str:
    outcome = trained.event.outcome
    what = "failed" if outcome == "failed" else f"was {outcome}"
    return f"{what}, and has no model to put live: pushline rerun trains it again"


def _refuse_other_verdicts(run: Run, judged: ModelEvaluated) -> None:
    if judged.verdict == "accepted" and run.outcome == "superseded":
        raise _refused(run, "was accepted, and superseded by a newer one: pushline redeploy puts it live all the same")
    if judged.verdict == "accepted" and run.line.on_hold:
        raise _refused(run, f"is accepted and rests, as {run.model} is on hold: pushline release lets it go live")
    if judged.verdict != "inconclusive":
        raise Said(f"Run {_name(run)} needs no promote: {INSTEAD[judged.verdict]}.", Exit.REFUSED)


def _refuse_by_rules(line: ModelLine, run: Run, judged: ModelEvaluated) -> None:
    if not passed(judged):
        raise _refused(run, "was judged without files that a predictor may open: pushline rerun trains it again")
    if line.on_hold:
        raise _refused(run, f"cannot be promoted while {line.name} is on hold: pushline release first")
    if judged.digest in line.barred:
        raise _refused(run, "is barred since a rollback: pushline redeploy alone brings it back")
    if run.rank <= line.fence:
        raise _refused(run, "is older than what was deployed or rolled back since: pushline redeploy puts it live all the same")


def _refused(run: Run, sentence: str) -> Said:
    return Said(f"Run {_name(run)} {sentence}.", Exit.REFUSED)


def _name(run: Run) -> str:
    return f"{run.run_id[:8]} (commit {run.commit.sha[:10]} of {run.model})"
