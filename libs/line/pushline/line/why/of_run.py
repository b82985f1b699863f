"""Why one run is live, is not, or is not yet. Pure."""

from dataclasses import dataclass
from typing import Any

from pushline.line.codec import Entry
from pushline.line.events import ModelDeployed, ModelEvaluated
from pushline.line.ledger import Ledger, Run
from pushline.line.why.answer import Answer, Replica
from pushline.line.why.causes import CAUSES, REASONS
from pushline.line.why.facts import facts_of
from pushline.line.why.going_live import Fate, actor, fates, last_hold, went_live_last

Said = tuple[str, str]  # cause and sentence
_WENT_LIVE = {"promote": "{} promoted it", "redeploy": "{} put it live", "rollback": "{} rolled back to it"}


@dataclass(frozen=True, slots=True)
class _Case:
    ledger: Ledger
    run: Run
    fate: Fate | None

    @property
    def name(self) -> str:
        again = f" (attempt {self.run.attempt})" if self.run.attempt > 1 else ""
        return f"commit {self.run.commit.sha[:10]} of {self.run.model}{again}"


def why_run(ledger: Ledger, run: Run) -> Answer:
    case = _Case(ledger, run, fates(run.line).get(run.run_id))
    cause, sentence = _went_live(case, case.fate) if case.fate else _ended(case) if run.outcome else _open(case)
    told = {"run": run.run_id[:8], "sha": run.commit.sha[:10], "model": run.model}
    return Answer(
        cause=cause,
        sentence=sentence[:1].upper() + sentence[1:],
        facts=facts_of(run, case.fate, cause),
        next_steps=tuple(step.format(**told) for step in CAUSES[cause].next_steps),
        model=run.model,
        commit=run.commit.sha,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        outcome=run.outcome,
        reason=run.reason,
        digest=run.trained.event.digest if run.trained else "",
        replicas=_replicas(run),
        since_ms=_since(run, cause),
    )


def judged_by(run: Run) -> ModelEvaluated | None:
    """Give the verdict that the outcome rests on; of an open run the one that counts now, else its newest."""
    baseline = run.slot.event.baseline_digest if run.slot is not None else run.line.live_digest
    found = run.evaluated.get(baseline) or next(reversed(run.evaluated.values()), None)
    return found.event if found is not None else None


def _went_live(case: _Case, fate: Fate) -> Said:
    event = fate.live.event
    if fate.replaced is None:
        return "live", f"{case.name} is live as number {event.deploy_seq}: {_how(case, event)}{_trouble(case.run)}."
    other = fate.replaced.event
    if other.digest == event.digest:
        same = f"commit {other.commit.sha[:10]} (number {other.deploy_seq})"
        return "replaced", f"{case.name} was live; then the same model went live by {same}."
    what = f"commit {other.commit.sha[:10]} (number {other.deploy_seq})"
    if other.kind == "rollback":
        barred = "; its model is barred since" if fate.barred is not None else ""
        return "rolled_back", f"{case.name} was live until {actor(other)} rolled back to {what}: {other.reason}{barred}."
    by = f"{actor(other)} put {what} live: {other.reason}" if _by_hand(other) else f"{what} was promoted"
    return "replaced", f"{case.name} was live until {by}."


def _how(case: _Case, event: ModelDeployed) -> str:
    if _by_hand(event):
        ended = f", although it was {case.run.outcome} ({case.run.reason})" if case.run.outcome not in ("", "deployed") else ""
        return f"{_WENT_LIVE[event.kind].format(actor(event))} ({event.reason or 'without a reason'}){ended}"
    verdict = judged_by(case.run)
    return f"accepted, {verdict.sentence}" if verdict is not None and verdict.sentence else "accepted"


def _by_hand(event: ModelDeployed) -> bool:
    return event.kind != "promote" or not event.caused_by


def _trouble(run: Run) -> str:
    failed = [each.name for each in _replicas(run) if each.state == "failed"]
    return f"; could not be loaded by {', '.join(failed)}" if failed else ""


def _ended(case: _Case) -> Said:
    run = case.run
    how = "failed" if run.outcome == "failed" else f"was {run.outcome}"
    said = f"{case.name} {how} ({run.reason}): {run.sentence or 'no sentence given'}"
    if run.outcome == "superseded":
        return REASONS.get(run.reason, "superseded"), said
    if run.slot is None:
        return REASONS.get(run.reason, "failed_in_training"), said
    closed_by = next((entry.event.verdict for entry in run.evaluated.values() if entry.id == run.slot.event.caused_by), "")
    if closed_by == "inconclusive":
        return "inconclusive", said
    return REASONS.get(run.reason, "rejected" if run.outcome == "rejected" else "failed_in_evaluation"), said


def _open(case: _Case) -> Said:
    run, line = case.run, case.run.line
    if line.partition in case.ledger.parked:
        return "parked", f"{case.name} waits: partition {line.partition} is parked, {case.ledger.parked[line.partition]}."
    if run.trained is None:
        return "waiting_for_training", f"{case.name} waits for its training to end{_newer(run)}."
    if line.behind_served:
        numbers = f"{line.highest_served_seq}, and the newest one in the log is {line.deploy_seq}"
        return "waiting_for_a_person", f"{case.name} waits for a person: a replica serves number {numbers}."
    if run.rank <= line.fence or run.trained.event.digest in line.barred:
        what = "its model is barred" if run.trained.event.digest in line.barred else "something newer was live, or was rolled back"
        return "waiting_for_decision", f"{case.name} waits for the deployer to close it, as {what}."
    return _judged_or_not(case)


def _judged_or_not(case: _Case) -> Said:
    run = case.run
    if run.verdict is None:
        anew = " anew, as another model went live meanwhile" if run.evaluated else ""
        return "waiting_for_evaluation", f"{case.name} is trained and waits for its verdict{anew}."
    if run.stage == "held":
        held = last_hold(run.line)
        by = f" since {actor(held.event)} held it ({held.event.reason or 'without a reason'})" if held is not None else ""
        return "held", f"{case.name} is accepted and rests, as nothing of {run.model} goes live{by}."
    return "waiting_for_decision", f"{case.name} is {run.verdict.event.verdict} and waits for the deployer."


def _since(run: Run, cause: str) -> int:
    """Give the time of the newest record that made it wait for this."""
    return max((entry.timestamp_ms for entry in _made_it_wait(run, cause) if entry is not None), default=0)


def _made_it_wait(run: Run, cause: str) -> tuple[Entry[Any] | None, ...]:
    match cause:
        case "waiting_for_training":
            return (run.push,)
        case "waiting_for_evaluation":
            return (run.trained, went_live_last(run.line) if run.evaluated else None)
        case "waiting_for_decision":
            return (run.trained, run.verdict)
        case "held":
            return (run.verdict, last_hold(run.line))
        case _:
            return ()


def _newer(run: Run) -> str:
    """Older open runs are superseded under the policy `latest`. Which one it is stands in the operator's file, not in the log."""
    newest = run.line.runs[-1]
    if newest is run or newest.trained is not None:
        return ""
    return f"; the newer commit {newest.commit.sha[:10]} waits too, and takes its place unless the policy is `every`"


def _replicas(run: Run) -> tuple[Replica, ...]:
    """What predictors said last, of this run."""
    served = ((name, entry.event) for name, entry in sorted(run.line.served.items()))
    return tuple(
        Replica(name, event.state, event.deploy_seq, event.sentence) for name, event in served if event.run_id == run.run_id
    )
