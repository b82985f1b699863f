"""The validity rules, one function each: a record and what is in front of it in, a sentence out (empty: the rule accepts).

ARCHITECTURE section 4 is their table. Each odd-looking clause is there because without it something
was lost, doubled or reversed; the model-based test takes each out in turn and goes red.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pushline.line.codec import Entry
from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained
from pushline.line.ids import MODEL_NAME, event_id, partition_of, run_id
from pushline.line.ledger.state import ModelLine, Run


@dataclass(frozen=True, slots=True)
class Before:
    """What a rule may look at: valid records in front of this one, and the record it names as cause."""

    partitions: int
    line: ModelLine
    run: Run | None
    cause: Entry[Event] | None


# How far a number may be above the newest one: no writer gets there, and a single record cannot use all numbers up.
LONGEST_LEAP = 2**24

Rule = Callable[[Entry[Any], Before], str]


def key(entry: Entry[Event], _: Before) -> str:
    """A name becomes part of object keys and paths; and a slash in it would give two models one run."""
    model = entry.event.model
    fits = MODEL_NAME.fullmatch(model) and entry.key == model.encode() and entry.subject == model
    return "" if fits else f"key {entry.key!r}, ce_subject {entry.subject!r} and model {model!r} are not one name"


def partition(entry: Entry[Event], before: Before) -> str:
    right = partition_of(entry.key, before.partitions)
    return "" if entry.partition == right else f"its key belongs on partition {right}"


def fitting_event_id(entry: Entry[Event], _: Before) -> str:
    try:
        right = event_id(entry.event.run_id, entry.topic, entry.value)
    except ValueError:
        return "run_id is no UUID"
    return "" if entry.id == right else f"ce_id is {entry.id!r}, not {right}"


def fitting_run_id(entry: Entry[Event], _: Before) -> str:
    event = entry.event
    if not event.run_id and isinstance(event, ModelDeployed) and event.kind in ("hold", "release"):
        return ""
    right = run_id(event.model, event.generation, event.attempt, event.commit.sha)
    return "" if event.run_id == right else f"run_id is {event.run_id!r}, not {right}"


def cause_of_run(entry: Entry[ModelTrained] | Entry[ModelEvaluated], before: Before) -> str:
    wanted = None
    if before.run is not None:
        wanted = before.run.push if entry.topic == "trained" else before.run.trained
    if before.cause is None or wanted is None or wanted.id != before.cause.id:
        return "caused_by names no valid record of this run on the topic in front"
    return "" if entry.event.commit == wanted.event.commit else "commit is not that of its cause"


def cause_of_served(entry: Entry[ModelServed], before: Before) -> str:
    named = before.cause.event if before.cause is not None else None
    return (
        "" if isinstance(named, ModelDeployed) and named.model == entry.event.model else "caused_by names no valid deployed record"
    )


def cause_of_rerun(entry: Entry[CommitPushed], before: Before) -> str:
    push = before.line.pushes.get(entry.event.generation)
    if not is_rerun(entry.event):
        return ""
    return "" if push is not None and push.id == entry.event.caused_by else "caused_by names no valid push of its generation"


def push_previous(entry: Entry[CommitPushed], before: Before) -> str:
    newest = before.line.newest_generation
    if is_rerun(entry.event) or entry.event.previous == newest:
        return ""
    return f"previous is {entry.event.previous}; the newest generation in front of it is {newest}"


def push_number(entry: Entry[CommitPushed], _: Before) -> str:
    event = entry.event
    if is_rerun(event) or (0 < event.generation - event.previous <= LONGEST_LEAP and event.attempt == 1):
        return ""
    return f"a push with generation {event.generation} after {event.previous} and attempt {event.attempt}"


def rerun_of_push(entry: Entry[CommitPushed], before: Before) -> str:
    push = before.line.pushes.get(entry.event.generation)
    if not is_rerun(entry.event) or (push is not None and push.event.commit.sha == entry.event.commit.sha):
        return ""
    return f"a rerun of generation {entry.event.generation}, which no valid push with this SHA has"


def rerun_attempt(entry: Entry[CommitPushed], before: Before) -> str:
    wanted = before.line.attempts.get(entry.event.generation, 0) + 1
    if not is_rerun(entry.event) or entry.event.attempt == wanted:
        return ""
    return f"attempt is {entry.event.attempt}; the next one of its generation is {wanted}"


def trained_slot(_: Entry[ModelTrained], before: Before) -> str:
    return "the run has a trained record" if before.run is not None and before.run.trained is not None else ""


def trained_outcome(entry: Entry[ModelTrained], _: Before) -> str:
    """A run without an outcome would be judged for ever, and a success without a digest could not be."""
    outcome, digest = entry.event.outcome, entry.event.digest
    fits = outcome in ("succeeded", "failed", "superseded") and bool(digest) == (outcome == "succeeded")
    return "" if fits else f"outcome {outcome!r} with digest {digest!r}"


def evaluated_verdict(entry: Entry[ModelEvaluated], _: Before) -> str:
    known = entry.event.verdict in ("accepted", "rejected", "inconclusive", "failed")
    return "" if known else f"verdict {entry.event.verdict!r}"


def evaluated_digest(entry: Entry[ModelEvaluated], before: Before) -> str:
    trained = before.run.trained if before.run is not None else None
    fits = trained is not None and trained.event.outcome == "succeeded" and trained.event.digest == entry.event.digest
    return "" if fits else "digest is not that of the run's trained record"


def evaluated_slot(entry: Entry[ModelEvaluated], before: Before) -> str:
    taken = before.run is not None and entry.event.baseline_digest in before.run.evaluated
    return "the run has a verdict against this baseline" if taken else ""


def deploy_previous(entry: Entry[ModelDeployed], before: Before) -> str:
    newest = before.line.deploy_seq
    return "" if entry.event.previous == newest else f"previous is {entry.event.previous}; the newest deploy_seq is {newest}"


def deploy_number(entry: Entry[ModelDeployed], _: Before) -> str:
    event = entry.event
    if event.kind == "close":
        return "" if event.deploy_seq == 0 else "a close takes no deploy_seq"
    if 0 < event.deploy_seq - event.previous <= LONGEST_LEAP:
        return ""
    return f"deploy_seq {event.deploy_seq} is not above previous {event.previous}, or too far above it"


def deploy_kind(entry: Entry[ModelDeployed], _: Before) -> str:
    """An outcome goes with a kind: promote deploys, close names why not, the others end no run."""
    wanted = {"promote": ("deployed",), "close": ("rejected", "failed", "superseded")}.get(entry.event.kind, ("",))
    known = entry.event.kind in ("promote", "close", "rollback", "redeploy", "hold", "release")
    return "" if known and entry.event.outcome in wanted else f"kind {entry.event.kind!r} with outcome {entry.event.outcome!r}"


def floor(entry: Entry[ModelDeployed], before: Before) -> str:
    now, said = before.line.floor_generation, entry.event.floor_generation
    fits = 0 <= said - now <= LONGEST_LEAP if entry.event.kind == "rollback" else said == now
    return "" if fits or entry.event.kind == "close" else f"floor_generation goes from {now} to {said}"


def close_slot(entry: Entry[ModelDeployed], before: Before) -> str:
    return _slot_taken(entry, before) if entry.event.kind == "close" else ""


def promote_slot(entry: Entry[ModelDeployed], before: Before) -> str:
    return _slot_taken(entry, before) if is_automatic_promote(entry.event) else ""


def promote_baseline(entry: Entry[ModelDeployed], before: Before) -> str:
    if not is_automatic_promote(entry.event) or entry.event.baseline_digest == before.line.live_digest:
        return ""
    return f"judged against {entry.event.baseline_digest}; live is {before.line.live_digest}"


def promote_fence(entry: Entry[ModelDeployed], before: Before) -> str:
    rank, fence = (entry.event.generation, entry.event.attempt), before.line.fence
    return "" if entry.event.kind != "promote" or rank > fence else f"run {rank} is not above the fence {fence}"


def promote_hold(entry: Entry[ModelDeployed], before: Before) -> str:
    return "the model is on hold" if entry.event.kind == "promote" and before.line.on_hold else ""


def promote_bar(entry: Entry[ModelDeployed], before: Before) -> str:
    return "the digest is barred" if entry.event.kind == "promote" and entry.event.digest in before.line.barred else ""


def serving_list(entry: Entry[ModelDeployed], before: Before) -> str:
    event = entry.event
    if event.kind in ("hold", "release"):
        return "" if event.serving == before.line.live else "it does not repeat what is to serve"
    if event.kind == "close":
        return "" if not event.serving else "a close with something to serve"
    if len(event.serving) != 1 or event.serving[0].mode != "live":
        return "what is to serve is not one live entry"
    entry_fits = (event.serving[0].run_id, event.serving[0].digest) == (event.run_id, event.digest) and bool(event.digest)
    return "" if entry_fits else "what is to serve is not the record's run and digest"


def rollback_target(entry: Entry[ModelDeployed], before: Before) -> str:
    event = entry.event
    if event.kind != "rollback" or (event.digest in before.line.went_live and event.digest != before.line.live_digest):
        return ""
    return "a rollback to a digest that was never live, or is live"


def served_names(entry: Entry[ModelServed], before: Before) -> str:
    named = before.cause.event if before.cause is not None else None
    if not isinstance(named, ModelDeployed):
        return "it names no deployed record"
    digests = [serving.digest for serving in named.serving] or [""]
    fits = entry.event.deploy_seq == named.deploy_seq and entry.event.digest in digests
    return "" if fits else "deploy_seq and digest are not those of the deployed record it names"


def is_rerun(event: CommitPushed) -> bool:
    return bool(event.caused_by)


def is_automatic_promote(event: ModelDeployed) -> bool:
    """A person's promote has no cause; it is excused from slot and baseline."""
    return event.kind == "promote" and bool(event.caused_by)


def _slot_taken(entry: Entry[ModelDeployed], before: Before) -> str:
    return "the run has a promote or close" if entry.event.run_id in before.line.slots else ""


ON_ALL: Mapping[str, Rule] = {
    "key": key,
    "partition": partition,
    "event_id": fitting_event_id,
    "run_id": fitting_run_id,
}

ON_TOPIC: Mapping[str, Mapping[str, Rule]] = {
    "commit": {
        "cause_of_rerun": cause_of_rerun,
        "push_previous": push_previous,
        "push_number": push_number,
        "rerun_of_push": rerun_of_push,
        "rerun_attempt": rerun_attempt,
    },
    "trained": {"cause_of_run": cause_of_run, "trained_outcome": trained_outcome, "trained_slot": trained_slot},
    "evaluated": {
        "cause_of_run": cause_of_run,
        "evaluated_verdict": evaluated_verdict,
        "evaluated_digest": evaluated_digest,
        "evaluated_slot": evaluated_slot,
    },
    "deployed": {
        "deploy_previous": deploy_previous,
        "deploy_number": deploy_number,
        "deploy_kind": deploy_kind,
        "floor": floor,
        "close_slot": close_slot,
        "promote_slot": promote_slot,
        "promote_baseline": promote_baseline,
        "promote_fence": promote_fence,
        "promote_hold": promote_hold,
        "promote_bar": promote_bar,
        "serving_list": serving_list,
        "rollback_target": rollback_target,
    },
    "served": {"cause_of_served": cause_of_served, "served_names": served_names},
}

RULE_NAMES = frozenset(ON_ALL) | {name for rules in ON_TOPIC.values() for name in rules}
