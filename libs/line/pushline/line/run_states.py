"""The states of a run and what moves it from one to the other, as two tables. ARCHITECTURE's pictures are made from them.

They decide nothing: a run's state is what the fold says (`Run.stage`, what is live, what is barred). A test explores the ledger
over all short logs and demands that it does exactly what stands here, no more and no less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pushline.line.codec import Entry
from pushline.line.ledger import Run

BEGIN = ""  # before the run is known
OUTCOMES = ("deployed", "rejected", "failed", "superseded")


@dataclass(frozen=True, slots=True)
class Transition:
    """`record` is as the run sees it: one of its own, or one that changes what is live or held for its model."""

    state: str
    record: str
    next: str
    when: str = ""  # where the same record may also lead elsewhere


_SLOT_FIRST = "its promote or close was read before its training"
_HELD = "the model is on hold"
_JUDGED = "it was judged against what is live now"
_NOT_JUDGED = "it was not judged against what is live now"

HOW_FAR: tuple[Transition, ...] = (
    Transition(BEGIN, "push", "training"),
    Transition(BEGIN, "rerun", "training"),
    Transition("training", "trained succeeded", "evaluating"),
    Transition("training", "trained failed", "failed"),
    Transition("training", "trained superseded", "superseded"),
    *(Transition("training", "trained succeeded", outcome, _SLOT_FIRST) for outcome in OUTCOMES),
    Transition("evaluating", "evaluated accepted", "deciding"),
    Transition("evaluating", "evaluated accepted", "held", _HELD),
    Transition("evaluating", "evaluated refused", "deciding"),
    Transition("evaluating", "live changes", "deciding", _JUDGED),
    Transition("evaluating", "live changes", "held", f"{_JUDGED}, and {_HELD}"),
    Transition("deciding", "live changes", "evaluating", _NOT_JUDGED),
    Transition("deciding", "live changes", "held", f"{_JUDGED} and accepted, and {_HELD}"),
    Transition("deciding", "hold", "held", "it is accepted"),
    Transition("held", "release", "deciding"),
    Transition("held", "live changes", "evaluating", _NOT_JUDGED),
    Transition("held", "live changes", "deciding", f"{_JUDGED}, and refused"),
    Transition("evaluating", "promote", "deployed", "by a person"),
    Transition("deciding", "promote", "deployed"),
    *(
        Transition(state, f"close {outcome}", outcome)
        for state in ("evaluating", "deciding", "held")
        for outcome in ("rejected", "failed", "superseded")
    ),
)

_DEPLOYED_FIRST = "its promote was read before its push"
_OTHER_BYTES = "the record names this run, and other bytes than it made"
_SAME_BYTES = "another run made the same bytes, which are barred"
IN_SERVICE: tuple[Transition, ...] = (
    Transition(BEGIN, "push", "not live"),
    Transition(BEGIN, "rerun", "not live"),
    Transition(BEGIN, "push", "live", _DEPLOYED_FIRST),
    Transition(BEGIN, "rerun", "live", _DEPLOYED_FIRST),
    Transition("not live", "promote", "live"),
    Transition("not live", "redeploy", "live"),
    Transition("not live", "rollback", "live"),
    Transition("not live", "another goes live", "barred", "a rollback to what was live before it"),
    Transition("not live", "trained succeeded", "barred", _SAME_BYTES),
    Transition("live", "another goes live", "not live"),
    Transition("live", "another goes live", "barred", "a rollback to what was live before it"),
    Transition("live", "trained succeeded", "live, barred", _SAME_BYTES),
    Transition("live", "rollback", "live, barred", _OTHER_BYTES),
    Transition("not live", "rollback", "live, barred", _OTHER_BYTES),
    Transition("barred", "promote", "live, barred", _OTHER_BYTES),
    Transition("barred", "redeploy", "live"),
    Transition("barred", "another goes live", "not live", "a redeploy of the same bytes"),
    Transition("barred", "rollback", "live, barred"),
    Transition("live, barred", "redeploy", "live"),
    Transition("live, barred", "another goes live", "barred"),
    Transition("live, barred", "another goes live", "not live", "a redeploy of the same bytes"),
)


def how_far(run: Run) -> str:
    return run.stage


def in_service(run: Run) -> str:
    line = run.line
    live = bool(line.live) and line.live[0].run_id == run.run_id
    barred = run.trained is not None and run.trained.event.digest in line.barred
    return "live, barred" if live and barred else "live" if live else "barred" if barred else "not live"


def seen_by(run: Run, entry: Entry[Any]) -> tuple[str, str]:
    """Name a record as HOW_FAR and as IN_SERVICE do."""
    event, own = entry.event, entry.event.run_id == run.run_id
    if entry.topic == "deployed":
        return _deployed(event.kind, event.outcome, own=own)
    if not own:
        return "of another run", "of another run"
    if entry.topic == "commit":
        opened = "rerun" if event.caused_by else "push"
        return opened, opened
    verdict = "" if entry.topic != "evaluated" else "accepted" if event.verdict == "accepted" else "refused"
    said = f"trained {event.outcome}" if entry.topic == "trained" else f"evaluated {verdict}" if verdict else "served"
    return said, said


def _deployed(kind: str, outcome: str, *, own: bool) -> tuple[str, str]:
    if kind in ("hold", "release"):
        return kind, kind
    if kind == "close":
        said = f"close {outcome}" if own else "of another run"
        return said, said
    return "promote" if own and kind == "promote" else "live changes", kind if own else "another goes live"


def mermaid(table: Sequence[Transition]) -> str:
    """Give the picture as Mermaid draws it: an arrow for each pair of states, with every record that leads there."""
    names: dict[str, str] = {}
    for each in table:
        for state in (each.state, each.next):
            names.setdefault(state, "[*]" if state == BEGIN else state.replace(", ", "_and_").replace(" ", "_"))
    arrows: dict[tuple[str, str], list[str]] = {}
    for each in table:
        arrows.setdefault((each.state, each.next), []).append(each.record)
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f'    state "{state}" as {name}' for state, name in names.items() if state not in (BEGIN, name)]
    lines += [f"    {names[state]} --> {names[to]}: {', '.join(records)}" for (state, to), records in arrows.items()]
    lines += [f"    {names[state]} --> [*]" for state in OUTCOMES if state in names]
    return "\n".join(lines) + "\n"
