"""What a person may do to a model: the record of a rollback, redeploy or rerun, made from the ledger alone. Pure.

The rules are the ledger's (ARCHITECTURE section 4); whether the record counts is known only once it was read back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pushline.cli.exits import Exit, Said
from pushline.line.events import CommitPushed, ModelDeployed, Serving
from pushline.line.ids import run_id
from pushline.line.ledger import ModelLine, Run

PREVIOUS = "previous"
SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Person:
    actor: str
    reason: str


def rollback(line: ModelLine, to: str, person: Person) -> ModelDeployed:
    """Go back to a digest that was live before. Raises Said where there is none such."""
    target = _previous(line) if to == PREVIOUS else _named(line, to, _was_live(line), "was ever live")
    if target.digest == line.live_digest:
        raise Said(f"{target.digest[:12]} is what serves {line.name} now; there is nothing to roll back to there.", Exit.REFUSED)
    return _record(line, "rollback", target, max(line.floor_generation, line.newest_generation), person)


def redeploy(line: ModelLine, to: str, person: Person) -> ModelDeployed:
    """Put any digest live whose files passed the evaluator's check, and lift its bar. Raises Said where there is none such."""
    known = [*_was_live(line), *_passed(line)]
    target = _previous(line) if to == PREVIOUS else _named(line, to, known, "has files that a predictor may open")
    return _record(line, "redeploy", target, line.floor_generation, person)


def lost_race(line: ModelLine, mine: ModelDeployed, rule: str) -> str:
    """Say what stands in the log instead of a record that did not count."""
    newest = line.newest_deployed
    if newest is None or newest.event.deploy_seq <= mine.previous:
        return f"The line refused the {mine.kind} of {mine.model} (rule {rule}); nothing changed."
    other = newest.event
    who = other.actor or "the deployer"
    return (
        f"Nothing changed by you: {who} was faster with a {other.kind} to {other.digest[:12]} (commit {other.commit.sha[:10]}, "
        f"deploy_seq {other.deploy_seq}). Look at `pushline status`, then decide again."
    )


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


def lost_rerun(line: ModelLine, mine: CommitPushed, rule: str) -> str:
    """Say what stands in the log instead of a rerun that did not count."""
    other = next((run for run in reversed(line.runs) if (run.generation, run.attempt) == (mine.generation, mine.attempt)), None)
    if other is None:
        return f"The line refused the rerun of {mine.commit.sha[:10]} (rule {rule}); nothing changed."
    asked = other.push.event
    return (
        f"Nothing changed by you: {asked.actor or 'somebody'} was faster with a rerun of the same commit, attempt {asked.attempt} "
        f"({asked.reason}). Follow that one: pushline wait {other.run_id[:8]}"
    )


def _record(line: ModelLine, kind: str, target: Serving, floor: int, person: Person) -> ModelDeployed:
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
        floor_generation=floor,
        actor=person.actor,
        outcome="",
        reason=person.reason,
        sentence=f"{person.actor}: {kind} to {target.digest[:12]} of commit {target.commit.sha[:10]}: {person.reason}",
        serving=(replace(target, weight=100, mode="live"),),
        digest=target.digest,
    )


def _was_live(line: ModelLine) -> Iterator[Serving]:
    """Newest first."""
    for entry in reversed(line.deployments):
        yield from (serving for serving in entry.event.serving if serving.mode == "live")


def _previous(line: ModelLine) -> Serving:
    for serving in _was_live(line):
        if serving.digest != line.live_digest and serving.digest not in line.barred:
            return serving
    raise Said(
        f"Nothing that was live before can be put back for {line.name} (what a rollback barred is left out; name it by --to).",
        Exit.NOT_FOUND,
    )


def _passed(line: ModelLine) -> Iterator[Serving]:
    for run in reversed(line.runs):
        yield from _servings_of(run)


def _servings_of(run: Run) -> Iterator[Serving]:
    for entry in run.evaluated.values():
        told = entry.event
        if told.files and told.verdict != "failed":
            place = (run.run_id, run.generation, run.attempt, run.commit)
            yield Serving(*place, told.digest, told.manifest_sha256, told.files, weight=100, mode="live")


def _named(line: ModelLine, to: str, known: Iterable[Serving], condition: str) -> Serving:
    if len(to) < SHORTEST_PREFIX:
        raise Said(f"--to {to!r} is too short: give at least {SHORTEST_PREFIX} characters of a digest or commit.", Exit.USAGE)
    found: dict[str, Serving] = {}
    for serving in known:
        if serving.digest.startswith(to) or serving.commit.sha.startswith(to):
            found.setdefault(serving.digest, serving)
    if not found:
        raise Said(f"No digest or commit of {line.name} that starts with {to!r} {condition}.", Exit.NOT_FOUND)
    if len(found) > 1:
        raise Said(
            f"{to!r} fits several digests of {line.name}: {', '.join(digest[:16] for digest in found)}. Give more of one.",
            Exit.USAGE,
        )
    return next(iter(found.values()))
