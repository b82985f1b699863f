"""What is known, as plain data for JSON and pages. Called under the tail's lock; decides nothing and changes nothing."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pushline.auditor.history import History, Seen
from pushline.line.codec import Entry
from pushline.line.events import ModelServed
from pushline.line.ledger import Ledger, ModelLine, Run

View = dict[str, Any]
MAX_UNDECODABLE_CHARACTERS = 4096
MAX_DEPTH = 64  # of a value that is shown as JSON; our own have 4, and a writer of JSON breaks at some hundreds
LAST_MS = 253_370_764_800_000  # the year 9999; where the broker keeps its writers' times, any number may stand there


def runs_newest_first(ledger: Ledger, history: History, model: str = "", stage: str = "") -> list[Run]:
    lines = [ledger.models[model]] if model in ledger.models else [] if model else list(ledger.models.values())
    runs = [run for line in lines for run in line.runs if stage in ("", run.stage)]
    return sorted(runs, key=lambda run: (*_read(history, run.push), run.rank), reverse=True)


def run_view(run: Run, history: History) -> View:
    return {
        "run_id": run.run_id,
        "model": run.model,
        "generation": run.generation,
        "attempt": run.attempt,
        "commit": _commit(run),
        "pushed": time_text(_read(history, run.push)[0]),
        "stage": run.stage,
        "outcome": run.outcome,
        "reason": run.reason,
        "sentence": run.sentence,
        "digest": run.trained.event.digest if run.trained else "",
        "verdict": run.verdict.event.verdict if run.verdict else "",
        "live": bool(run.line.live) and run.line.live[0].run_id == run.run_id,
        "reached": list(reached(run, history)),
        "stopped_at": stopped_at(run),
    }


def reached(run: Run, history: History) -> tuple[str, ...]:
    """Name the hand-overs that the run made, by topic, in the order of the flow."""
    served = any(_serves(seen) for seen in history.of_run(run.run_id))
    there = {
        "commit": True,
        "trained": run.trained is not None and run.trained.event.outcome == "succeeded",
        "evaluated": bool(run.evaluated),
        "deployed": run.slot is not None and run.slot.event.kind == "promote",
        "served": served,
    }
    return tuple(topic for topic, is_there in there.items() if is_there)


def stopped_at(run: Run) -> str:
    """Name the topic that says that the run goes no further; empty while it is open, and where it was deployed."""
    if run.outcome in ("", "deployed"):
        return ""
    return "trained" if run.slot is None else "deployed"


def run_detail(run: Run, history: History) -> View:
    verdict = run.verdict
    return run_view(run, history) | {
        "verdict_record": _json(verdict.value) if verdict else None,
        "events": [event_view(seen) for seen in history.of_run(run.run_id)],
    }


def model_view(line: ModelLine, history: History) -> View:
    live, newest = (line.live[0] if line.live else None), line.newest_deployed
    return {
        "model": line.name,
        "partition": line.partition,
        "live_digest": live.digest if live else "",
        "live_run_id": live.run_id if live else "",
        "live_commit": live.commit.sha if live else "",
        "live_message": live.commit.message.partition("\n")[0] if live else "",
        "deploy_seq": line.deploy_seq,
        "since": time_text(_read(history, newest)[0]) if newest else "",
        "kind": newest.event.kind if newest else "",
        "on_hold": line.on_hold,
        "barred": sorted(line.barred),
        "floor_generation": line.floor_generation,
        "newest_generation": line.newest_generation,
        "runs": len(line.runs),
        "open_runs": sum(not run.outcome for run in line.runs),
        "replicas": [_replica(entry) for _, entry in sorted(line.served.items())],
        "behind_served": line.behind_served,
    }


def event_view(seen: Seen) -> View:
    record, entry = seen.record, seen.entry
    return {
        "number": seen.number,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": time_text(seen.time_ms),
        "verdict": seen.verdict,
        "rule": seen.rule,
        "sentence": seen.sentence,
        "id": entry.id if entry else "",
        "model": seen.model,
        "run_id": seen.run_id,
        "caused_by": entry.event.caused_by if entry else "",
        "source": entry.source if entry else "",
        "value": _json(entry.value) if entry else _text(record.value),
    }


def audit_view(ledger: Ledger, history: History, problem: str) -> View:
    counts: dict[str, dict[str, int]] = {}
    for (topic, verdict), count in sorted(history.counts.items()):
        if count:
            counts.setdefault(topic, {})[verdict] = count
    offsets = history.offsets
    gaps = [{"topic": gap.topic, "partition": gap.partition, "first": gap.first, "last": gap.last} for gap in offsets.gaps]
    return {
        "ready": not problem,
        "problem": problem,
        "records": len(history),
        "counts": counts,
        "broken_rules": {f"{topic}: {rule}": count for (topic, rule), count in sorted(ledger.broken_rules.items())},
        "kept": ledger.kept,
        "repeated_ids": offsets.repeated,
        "read": offsets.read,
        "gaps": gaps,
        "problems": problems(ledger, history),
    }


def problems(ledger: Ledger, history: History) -> list[str]:
    """Name what a healthy line does not have, a sentence each."""
    found = list(history.offsets.disorder)
    for gap in history.offsets.gaps:
        what = f"offset {gap.first}" if gap.first == gap.last else f"offsets {gap.first} to {gap.last}"
        found.append(f"{gap.topic}/{gap.partition}: {what} gave no record: control records, or lost ones")
    found += [f"partition {partition} is parked: {why}" for partition, why in sorted(ledger.parked.items())]
    for line in sorted(ledger.models.values(), key=lambda each: each.name):
        if line.behind_served:
            found.append(f"{line.name}: a replica serves deploy_seq {line.highest_served_seq}, the log knows {line.deploy_seq}")
    return found


def time_text(time_ms: int) -> str:
    return datetime.fromtimestamp(min(time_ms, LAST_MS) / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _read(history: History, entry: Entry[Any]) -> tuple[int, int]:
    """Give the time of a record and its number in reading order."""
    seen = history.at(entry.topic, entry.partition, entry.offset)
    return (seen.time_ms, seen.number) if seen else (entry.timestamp_ms, 0)


def _commit(run: Run) -> View:
    commit = run.commit
    return {
        "repository": commit.repository,
        "ref": commit.ref,
        "sha": commit.sha,
        "author": commit.author,
        "message": commit.message,
    }


def _serves(seen: Seen) -> bool:
    event = seen.entry.event if seen.entry is not None and seen.verdict == "valid" else None
    return isinstance(event, ModelServed) and event.state == "serving"


def _replica(entry: Entry[Any]) -> View:
    event = entry.event
    return {
        "replica": event.replica,
        "state": event.state,
        "deploy_seq": event.deploy_seq,
        "digest": event.digest,
        "reason": event.reason,
        "sentence": event.sentence,
    }


def _json(value: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse; a number that no JSON writer can give back (1e999) stays the text that it is, and so does a value nested too deep."""
    try:
        plain = json.loads(value, parse_float=lambda text: float(text) if math.isfinite(float(text)) else text)
    except RecursionError:
        return _text(value)
    return _text(value) if _is_deep(plain) else plain


def _is_deep(value: object) -> bool:
    layer = [value]
    for _ in range(MAX_DEPTH):
        layer = [inner for each in layer for inner in _inside(each)]
    return bool(layer)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value[:MAX_UNDECODABLE_CHARACTERS].decode("utf-8", "replace")
