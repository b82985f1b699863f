"""The records that an answer about a run rests on, in the order in which they follow from each other."""

from collections.abc import Iterator

from pushline.line.codec import Entry
from pushline.line.events import CommitPushed, ModelDeployed, ModelEvaluated
from pushline.line.ledger import Run
from pushline.line.why.answer import Fact, fact
from pushline.line.why.going_live import LIVE_KINDS, Fate, barred_by, last_hold

MAX_MESSAGE = 200


def facts_of(run: Run, fate: Fate | None, cause: str) -> tuple[Fact, ...]:
    return (_pushed(run), *_judged(run), *_deployed(run, fate, cause))


def _pushed(run: Run) -> Fact:
    event = run.push.event
    if event.caused_by:
        return fact(run.push, f"asked for again, attempt {event.attempt}: {event.reason}", event.actor)
    return pushed(run.push)


def pushed(entry: Entry[CommitPushed]) -> Fact:
    event = entry.event
    first = event.commit.message.partition("\n")[0][:MAX_MESSAGE]
    return fact(entry, f"pushed: {first}", event.commit.author)


def _judged(run: Run) -> Iterator[Fact]:
    if run.trained is not None:
        told = run.trained.event
        good = told.outcome == "succeeded"
        yield fact(
            run.trained, f"trained to model {told.digest[:12]}" if good else f"{told.outcome} ({told.reason}): {told.sentence}"
        )
        if told.outcome == "superseded":
            yield from _next_push(run)
    for entry in run.evaluated.values():
        yield fact(entry, _verdict(entry.event))


def _verdict(event: ModelEvaluated) -> str:
    against = "with nothing live" if event.baseline_digest == "none" else f"against {event.baseline_digest[:12]}"
    reason = f" ({event.reason})" if event.reason else ""
    return f"{event.verdict}{reason} {against}: {event.sentence}".rstrip(": ")


def _next_push(run: Run) -> Iterator[Fact]:
    newer = next((push for generation, push in run.line.pushes.items() if generation > run.generation), None)
    if newer is not None:
        found = pushed(newer)
        yield fact(newer, f"the next commit {newer.event.commit.sha[:10]}, {found.what}", found.who)


def _deployed(run: Run, fate: Fate | None, cause: str) -> Iterator[Fact]:
    """Everything of this run on `deployed`, and what stands against it."""
    own = [
        entry for entry in run.line.deployments if entry.event.run_id == run.run_id and entry.event.kind in (*LIVE_KINDS, "close")
    ]
    others = [
        entry for entry in (_stands_against(run, cause), fate.replaced if fate else None, fate.barred if fate else None) if entry
    ]
    by_place = {entry.offset: entry for entry in (*own, *others)}
    yield from (deployed(by_place[offset]) for offset in sorted(by_place))


def deployed(entry: Entry[ModelDeployed]) -> Fact:
    event = entry.event
    if event.kind == "close":
        return fact(entry, f"closed as {event.outcome} ({event.reason}): {event.sentence}", event.actor)
    if event.kind in ("hold", "release"):
        return fact(entry, f"{event.kind}: {event.reason}", event.actor)
    why = f": {event.reason}" if event.actor and event.reason else ""
    what = f"{event.kind} of commit {event.commit.sha[:10]} as number {event.deploy_seq}{why}"
    return fact(entry, what, event.actor)


def _stands_against(run: Run, cause: str) -> Entry[ModelDeployed] | None:
    """Give the record for which a run rests, or is never to go live."""
    line = run.line
    if cause == "held":
        return last_hold(line)
    if cause == "older_than_fence":
        return next((entry for entry in line.deployments if _fences_off(entry.event, run)), None)
    if cause == "barred":
        return barred_by(line).get(run.trained.event.digest) if run.trained is not None else None
    return None


def _fences_off(event: ModelDeployed, run: Run) -> bool:
    if event.kind == "rollback":
        return event.floor_generation >= run.generation
    return event.kind == "promote" and (event.generation, event.attempt) >= run.rank and event.run_id != run.run_id
