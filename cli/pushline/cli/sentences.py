"""One line for each event, as a person would say it."""

from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained


def sentence_of(event: Event) -> str:
    head = f"{event.model} {event.commit.sha[:10]}" if event.commit.sha else event.model
    return f"{head}: {what_of(event)}"


def what_of(event: Event) -> str:
    """Without model and commit."""
    match event:
        case CommitPushed():
            first = event.commit.message.partition("\n")[0]
            who = (
                f"asked for again by {event.actor}: {event.reason}"
                if event.attempt > 1
                else f"pushed by {event.commit.author}: {first}"
            )
            return f"generation {event.generation} {who}"
        case ModelTrained():
            return f"trained, digest {event.digest[:12]}" if event.outcome == "succeeded" else f"{event.outcome}: {_told(event)}"
        case ModelEvaluated():
            numbers = ", ".join(f"{metric.name} {metric.value:.4g}" for metric in event.metrics[:4])
            return f"{event.verdict}{f' ({numbers})' if numbers else ''}: {_told(event)}".rstrip(": ")
        case ModelDeployed():
            return _deployed(event)
        case ModelServed():
            what = f"{event.replica} {event.state} deploy_seq {event.deploy_seq}"
            return f"{what}: {_told(event)}" if event.state == "failed" else what


def _deployed(event: ModelDeployed) -> str:
    if event.kind == "close":
        return f"{event.outcome}: {_told(event)}"
    who = f" by {event.actor}: {event.reason}" if event.actor else ""
    return f"{event.kind} to {event.digest[:12] or 'nothing'}, deploy_seq {event.deploy_seq}{who}"


def _told(event: ModelTrained | ModelEvaluated | ModelDeployed | ModelServed) -> str:
    return event.sentence.strip().partition("\n")[0] or event.reason
