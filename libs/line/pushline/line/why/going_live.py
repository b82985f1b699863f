"""What went live, in log order, and what took it away again. Follows `deployed` as the fold does."""

from collections.abc import Mapping
from dataclasses import dataclass

from pushline.line.codec import Entry
from pushline.line.events import ModelDeployed
from pushline.line.ledger import ModelLine

LIVE_KINDS = ("promote", "redeploy", "rollback")


@dataclass(frozen=True, slots=True)
class Fate:
    """The record by which a run's model went live last, the one that took its place, and the one that barred it."""

    live: Entry[ModelDeployed]
    replaced: Entry[ModelDeployed] | None
    barred: Entry[ModelDeployed] | None


def fates(line: ModelLine) -> Mapping[str, Fate]:
    """By run id."""
    order = [entry for entry in line.deployments if entry.event.kind in LIVE_KINDS]
    bars = barred_by(line)
    following = [*order[1:], None] if order else []
    return {
        entry.event.run_id: Fate(entry, after, bars.get(entry.event.digest)) for entry, after in zip(order, following, strict=True)
    }


def barred_by(line: ModelLine) -> Mapping[str, Entry[ModelDeployed]]:
    """Give the rollback that bars a digest, by digest: it bars what went live after its target last did."""
    order: list[Entry[ModelDeployed]] = []
    barred: dict[str, Entry[ModelDeployed]] = {}
    for entry in line.deployments:
        event = entry.event
        if event.kind not in LIVE_KINDS:
            continue
        if event.kind == "rollback":
            last = max((at for at, each in enumerate(order) if each.event.digest == event.digest), default=-1)
            barred.update({each.event.digest: entry for each in order[last + 1 :]})
        elif event.kind == "redeploy":
            barred.pop(event.digest, None)
        order.append(entry)
    return barred


def actor(event: ModelDeployed) -> str:
    return event.actor or "somebody"


def last_hold(line: ModelLine) -> Entry[ModelDeployed] | None:
    return next((entry for entry in reversed(line.deployments) if entry.event.kind == "hold"), None)


def went_live_last(line: ModelLine) -> Entry[ModelDeployed] | None:
    return next((entry for entry in reversed(line.deployments) if entry.event.kind in LIVE_KINDS), None)
