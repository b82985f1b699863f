"""What moves a run from state to state, watched while the real ledger folds: for all short logs, and for any log at all.

All short logs: one run is looked at, with everything that can be said of it and of what else is live, breadth first, one log for
each state of the ledger that can differ for it. Another run lives on `deployed` alone, with the same bytes as this one or others.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pytest

from pushline.line.codec import Entry, decode
from pushline.line.events import CommitPushed, Event, ModelDeployed
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.ledger import fold as folding
from pushline.line.run_states import BEGIN, how_far, in_service, seen_by
from tests.unit.line.model import making as make

MODEL = "a"
Moved = tuple[str, str, str]  # state, record, next state
OTHER = make.push(MODEL, 1, previous=0, sha="aa")
LOOKED_AT = make.push(MODEL, 2, previous=1, sha="bb")
RERUN = make.push(MODEL, 2, previous=0, sha="bb", attempt=2, cause=make.id_of(LOOKED_AT))
MINE, ITS = make.digest("m1"), make.digest("m2")


@dataclass
class Seen:
    how_far: set[Moved] = field(default_factory=set)
    in_service: set[Moved] = field(default_factory=set)

    def note(self, before: Mapping[str, tuple[str, str]], ledger: Ledger, entry: Entry[Any]) -> None:
        for run in ledger.runs.values():
            far, service = before.get(run.run_id, (BEGIN, BEGIN))
            said = seen_by(run, entry)
            if how_far(run) != far:
                self.how_far.add((far, said[0], how_far(run)))
            if in_service(run) != service:
                self.in_service.add((service, said[1], in_service(run)))


@contextmanager
def watching() -> Iterator[Seen]:
    """Look at every run before and after each record that counts, released ones too."""
    seen = Seen()

    def watched(apply: Callable[..., None]) -> Callable[..., None]:
        def step(ledger: Ledger, entry: Entry[Any], before: Any) -> None:
            states = {run.run_id: (how_far(run), in_service(run)) for run in ledger.runs.values()}
            apply(ledger, entry, before)
            seen.note(states, ledger, entry)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for topic, apply in dict(folding._APPLY).items():
            patch.setitem(folding._APPLY, topic, watched(apply))
        yield seen


def explore(most_records: int) -> Seen:
    """Fold all logs of so many records behind two pushes."""
    with watching() as seen, pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "decode", lru_cache(maxsize=None)(decode))
        known: set[object] = set()
        layer: list[tuple[Event, ...]] = [(OTHER,)]
        for _ in range(most_records):
            layer = [log for before in layer for log in _longer(before) if _is_new(log, known)]
        _folded((OTHER, LOOKED_AT, _put(_folded((OTHER,))[0].line(MODEL), "redeploy", RERUN, MINE), RERUN))
    return seen


def _longer(log: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
    ledger, _ = _folded(log)
    run = ledger.runs.get(LOOKED_AT.run_id)
    opens = (LOOKED_AT,) if run is None else (RERUN,)
    yield from ((*log, event) for event in (*opens, *_next(ledger.line(MODEL), run)))


def _is_new(log: tuple[Event, ...], known: set[object]) -> bool:
    ledger, counts = _folded(log)
    before = len(known)
    if counts:
        known.add(_state(ledger.line(MODEL), ledger.runs.get(LOOKED_AT.run_id)))
    return len(known) > before


def _folded(log: tuple[Event, ...]) -> tuple[Ledger, bool]:
    """Give the ledger, and whether the last record counts."""
    ledger = Ledger(make.PARTITIONS)
    judged = [ledger.fold(_laid(event))[0].verdict for event in log]
    return ledger, judged[-1] == "valid"


_laid = lru_cache(maxsize=None)(lambda event: make.lay(event, 0))


def _state(line: ModelLine, run: Run | None) -> tuple[object, ...]:
    """Everything that can make a difference to what happens to the run next."""
    live = (line.live[0].run_id, line.live[0].digest) if line.live else None
    order = tuple(dict.fromkeys(reversed(line.went_live)))
    of_the_line = (live, frozenset(line.barred), line.on_hold, order, line.fence >= (LOOKED_AT.generation, 1))
    if run is None:
        return (*of_the_line, *line.slots)
    verdicts = tuple(sorted((base, entry.event.verdict) for base, entry in run.evaluated.items())) if not run.outcome else ()
    slot = run.slot.event.outcome if run.slot and not run.outcome else ""
    return (*of_the_line, how_far(run), in_service(run), verdicts, slot)


def _next(line: ModelLine, run: Run | None) -> Iterator[Event]:
    numbers = (line.deploy_seq + 1, line.deploy_seq, line.floor_generation)
    yield make.hold("release" if line.on_hold else "hold", MODEL, line.live, *numbers)
    for digest in (MINE, ITS):
        yield from (_put(line, kind, OTHER, digest) for kind in ("redeploy", "rollback"))
    yield from (_put(line, kind, LOOKED_AT, MINE) for kind in ("promote", "redeploy", "rollback"))
    yield from (_put(line, kind, LOOKED_AT, ITS) for kind in ("promote", "rollback"))  # by who is not in his right mind
    yield from (make.close(LOOKED_AT, line.deploy_seq, outcome) for outcome in ("rejected", "failed", "superseded"))
    if run is not None and run.trained is None:
        yield from (make.trained(LOOKED_AT, outcome, "m1") for outcome in ("succeeded", "failed", "superseded"))
    elif run is not None and run.trained is not None and run.trained.event.outcome == "succeeded" and not run.outcome:
        for baseline in {"none", MINE, ITS} - run.evaluated.keys():
            yield from (make.evaluated(run.trained.event, baseline, verdict) for verdict in ("accepted", "rejected"))


def _put(line: ModelLine, kind: str, push: CommitPushed, digest: str) -> ModelDeployed:
    numbers = (line.deploy_seq + 1, line.deploy_seq)
    put = make.deployed(kind, push, "m", *numbers, baseline=line.live_digest, floor=line.floor_generation)
    return replace(put, digest=digest, serving=make.serving(push, digest))
