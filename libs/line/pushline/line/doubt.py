"""Whether a record names what this fold has never read: then the log may be another one, or part of it is missing."""

from pushline.line.events import CommitPushed, ModelDeployed
from pushline.line.ledger import Judgement, Ledger


def names_what_is_missing(own: Judgement, ledger: Ledger) -> bool:
    event = own.entry.event if own.entry is not None else None
    if isinstance(event, CommitPushed) and own.rule == "push_previous":
        return event.previous > ledger.line(event.model).newest_generation
    if isinstance(event, ModelDeployed) and own.rule == "deploy_previous":
        return event.previous > ledger.line(event.model).deploy_seq
    return False
