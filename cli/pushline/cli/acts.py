"""What a person may do to a model: the record of a rollback, redeploy, hold, release or rerun, made from the ledger alone. Pure.

promotions.py has the promotion. The rules are the ledger's (ARCHITECTURE section 4); whether a record counts is known only once it
was read back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pushline.cli.exits import Exit, Said
from pushline.cli.targets import PREVIOUS, live_before, servable
from pushline.line.events import NO_COMMIT, CommitPushed, ModelDeployed, Serving
from pushline.line.ids import run_id
from pushline.line.ledger import ModelLine, Run

__all__ = ["PREVIOUS", "Person", "hold", "record", "redeploy", "release", "rerun_of", "rerun_prospect", "rollback"]


@dataclass(frozen=True, slots=True)
class Person:
    actor: str
    reason: str


def rollback(line: ModelLine, to: str, person: Person, others: Iterable[ModelLine] = ()) -> ModelDeployed:
    """Go back to a digest that was live before. Raises Said where there is none such."""
    target = live_before(line, to, others)
    if target.digest == line.live_digest:
        raise Said(f"{target.digest[:12]} is what serves {line.name} now; there is nothing to roll back to there.", Exit.REFUSED)
    return record(line, "rollback", target, person, floor=max(line.floor_generation, line.newest_generation))


def redeploy(line: ModelLine, to: str, person: Person, others: Iterable[ModelLine] = ()) -> ModelDeployed:
    """Put any digest live whose files passed the evaluator's check, and lift its bar. Raises Said where there is none such."""
    return record(line, "redeploy", servable(line, to, others), person)


def hold(line: ModelLine, person: Person) -> ModelDeployed:
    """Let nothing go live by itself until a release. Raises Said where it is so already."""
    if line.on_hold:
        raise Said(f"{line.name} is on hold already{_by(line, 'hold')}; pushline release ends that.", Exit.REFUSED)
    return _standing(line, "hold", person)


def release(line: ModelLine, person: Person) -> ModelDeployed:
    """End a hold. Raises Said where there is none."""
    if not line.on_hold:
        raise Said(f"{line.name} is not on hold{_by(line, 'release')}; there is nothing to release.", Exit.REFUSED)
    return _standing(line, "release", person)


def rerun_of(run: Run, person: Person) -> CommitPushed:
    """The same commit once more: a new run of its push, the next attempt."""
    line, generation = run.line, run.generation
    push, attempt = line.pushes[generation], line.attempts.get(generation, 0) + 1
    return CommitPushed(
        model=run.model,
        run_id=run_id(run.model, generation, attempt, run.commit.sha),
        generation=generation,
        attempt=attempt,
        commit=push.event.commit,
        caused_by=push.id,
        previous=line.newest_generation,
        actor=person.actor,
        reason=person.reason,
    )


def rerun_prospect(run: Run) -> str:
    """Say what will keep a rerun from going live; empty where nothing is known to."""
    line = run.line
    rank = (run.generation, line.attempts.get(run.generation, 0) + 1)
    newest = line.runs[-1]
    if rank <= line.fence:
        return (
            "It cannot go live by itself: something newer was deployed, or rolled back, after this commit was pushed. "
            "`pushline redeploy` puts an older model live."
        )
    if newest.generation > run.generation and not newest.outcome:
        return f"The newer commit {newest.commit.sha[:10]} is on its way: this run will be superseded."
    if line.on_hold:
        return "The model is on hold: nothing goes live until it is released."
    return ""


def record(line: ModelLine, kind: str, target: Serving, person: Person, *, floor: int | None = None) -> ModelDeployed:
    """Make the record of an act that puts `target` live. The floor stays where none is given."""
    return ModelDeployed(
        model=line.name,
        run_id=target.run_id,
        generation=target.generation,
        attempt=target.attempt,
        commit=target.commit,
        caused_by="",
        kind=kind,
        deploy_seq=line.highest_deploy_seq + 1,
        previous=line.deploy_seq,
        baseline_digest=line.live_digest,
        floor_generation=line.floor_generation if floor is None else floor,
        actor=person.actor,
        outcome="deployed" if kind == "promote" else "",
        reason=person.reason,
        sentence=f"{person.actor}: {kind} to {target.digest[:12]} of commit {target.commit.sha[:10]}: {person.reason}",
        serving=(replace(target, weight=100, mode="live"),),
        digest=target.digest,
    )


def _standing(line: ModelLine, kind: str, person: Person) -> ModelDeployed:
    """A record that leaves what serves as it is; its fields are the live run's, empty where nothing is live."""
    live = line.live[0] if line.live else None
    return ModelDeployed(
        model=line.name,
        run_id=live.run_id if live else "",
        generation=live.generation if live else 0,
        attempt=live.attempt if live else 0,
        commit=live.commit if live else NO_COMMIT,
        caused_by="",
        kind=kind,
        deploy_seq=line.highest_deploy_seq + 1,
        previous=line.deploy_seq,
        baseline_digest=line.live_digest,
        floor_generation=line.floor_generation,
        actor=person.actor,
        outcome="",
        reason=person.reason,
        sentence=f"{person.actor}: {kind} of {line.name}: {person.reason}",
        serving=line.live,
        digest=live.digest if live else "",
    )


def _by(line: ModelLine, kind: str) -> str:
    newest = next((entry.event for entry in reversed(line.deployments) if entry.event.kind == kind), None)
    return f" ({kind} by {newest.actor}: {newest.reason})" if newest else ""
