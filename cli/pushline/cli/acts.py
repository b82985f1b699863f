"""What a person may do to a model: the `deployed` record of a rollback or redeploy, made from the ledger alone. Pure.

The rules are the ledger's (ARCHITECTURE section 4); whether the record counts is known only once it was read back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pushline.cli.exits import Exit, Said
from pushline.line.events import ModelDeployed, Serving
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
