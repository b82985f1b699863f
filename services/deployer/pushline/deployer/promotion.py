"""What is to be deployed, closed or left alone: a pure decision on the ledger.

One step a model at a time, since each names the number in front of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pushline.line.codec import Entry
from pushline.line.events import Event, ModelDeployed, ModelEvaluated, Serving
from pushline.line.ledger import Ledger, ModelLine, Run, prospect
from pushline.line.less import SHORT
from pushline.line.stage import Decision


@dataclass(frozen=True, slots=True)
class Deployment:
    """The record to write next for a model. Its key is the model: a second one waits until this one was read back."""

    event: ModelDeployed

    @property
    def key(self) -> str:
        return self.event.model


def next_deployments(ledger: Ledger, owned: frozenset[int], running: Mapping[str, Deployment]) -> Decision[Deployment]:
    """Newest run first: promote what was accepted against the live model, close what was refused, is too old, or is barred.

    A run without a verdict against the live model waits for the evaluator; an accepted one rests while the model is on hold.
    Where a replica serves a number that the log does not know, nothing is written: a person decides.
    """
    lines = (line for line in ledger.models.values() if line.partition in owned and line.name not in running)
    steps = (_first(_step(line, run) for run in _open_runs(line)) for line in lines if not line.behind_served)
    return Decision(start=tuple(Deployment(event) for event in steps if event is not None))


def less(event: Event) -> ModelDeployed | None:
    """Say it with less; a promote that the broker does not take, as it names what is to serve, closes its run."""
    if not isinstance(event, ModelDeployed):
        return None
    if len(event.sentence) > SHORT:
        return replace(event, sentence=event.sentence[:SHORT])
    if event.kind == "close":
        return None
    said = "It was accepted, and the broker takes no record that puts it live (max.message.bytes of deployed)."
    closed = replace(event, kind="close", deploy_seq=0, serving=(), outcome="failed")
    return replace(closed, reason="event_too_large", sentence=said)


def _open_runs(line: ModelLine) -> Iterable[Run]:
    return (run for run in reversed(line.runs) if not run.outcome and run.trained is not None)


def _first(steps: Iterable[ModelDeployed | None]) -> ModelDeployed | None:
    return next((step for step in steps if step is not None), None)


def _step(line: ModelLine, run: Run) -> ModelDeployed | None:
    trained = run.trained
    if trained is None:
        return None
    match prospect(run):
        case "too_old":
            return _closed(line, run, trained.id, ("superseded", "older_than_live", _too_old(line)))
        case "barred":
            said = f"model {trained.event.digest[:12]} is barred since a rollback; only a redeploy brings it back"
            return _closed(line, run, trained.id, ("rejected", "barred", said))
        case "promotable" | "refused":
            return _answer(line, run, run.verdict) if run.verdict is not None else None
        case _:
            return None


def _answer(line: ModelLine, run: Run, verdict: Entry[ModelEvaluated]) -> ModelDeployed:
    judged = verdict.event
    if judged.verdict == "accepted":
        return _promoted(line, run, verdict)
    outcome = "failed" if judged.verdict == "failed" else "rejected"
    return _closed(line, run, verdict.id, (outcome, judged.reason or judged.verdict, judged.sentence))


def _too_old(line: ModelLine) -> str:
    generation, attempt = line.fence
    if generation == line.floor_generation and attempt == float("inf"):
        return f"pushed before the rollback, which holds back everything up to generation {generation}"
    return f"a newer run is live or was: generation {generation}, attempt {attempt:.0f}"


def _promoted(line: ModelLine, run: Run, verdict: Entry[ModelEvaluated]) -> ModelDeployed:
    judged = verdict.event
    serving = Serving(
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        digest=judged.digest,
        manifest_sha256=judged.manifest_sha256,
        files=judged.files,
        weight=100,
        mode="live",
    )
    return ModelDeployed(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=verdict.id,
        kind="promote",
        deploy_seq=line.highest_deploy_seq + 1,
        previous=line.deploy_seq,
        baseline_digest=judged.baseline_digest,
        floor_generation=line.floor_generation,
        actor="",
        outcome="deployed",
        reason="accepted",
        sentence=judged.sentence,
        serving=(serving,),
        digest=judged.digest,
    )


def _closed(line: ModelLine, run: Run, caused_by: str, why: tuple[str, str, str]) -> ModelDeployed:
    outcome, reason, sentence = why
    return ModelDeployed(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=caused_by,
        kind="close",
        deploy_seq=0,
        previous=line.deploy_seq,
        baseline_digest=line.live_digest,
        floor_generation=line.floor_generation,
        actor="",
        outcome=outcome,
        reason=reason,
        sentence=sentence,
        serving=(),
        digest=run.trained.event.digest if run.trained else "",
    )
