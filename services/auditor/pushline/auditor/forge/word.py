"""What is to stand at the forge about each commit of a model: a pure function of the ledger.

The newest attempt of a commit decides. A state is one of
* pending: the run is open, or an accepted one rests while a person holds the model;
* success: it went live, by itself or by a person's hand; that something newer went live after it changes nothing here;
* failure: it was judged and refused, or rolled back;
* error: it came to no verdict (failed, superseded), or no replica can load it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pushline.line.codec import Entry
from pushline.line.events import ModelDeployed, ModelEvaluated
from pushline.line.ledger import ModelLine, Run

RECENT = 200  # runs of a model that are looked at, beside open ones and the live one: older ones are never written again
_OPEN = {"training": "training", "evaluating": "trained, being evaluated", "deciding": "being decided"}


@dataclass(frozen=True, slots=True)
class Word:
    sha: str
    run_id: str
    attempt: int
    stage: str  # training | evaluating | deciding | held | deployed | rejected | failed | superseded
    state: str  # pending | success | failure | error
    sentence: str  # in one line, as long as it is
    verdict: ModelEvaluated | None  # what the comment reports
    again: bool  # the commit had a run before this one

    @property
    def is_open(self) -> bool:
        return self.state == "pending"

    @property
    def has_news(self) -> bool:
        """There is something to read about it, so that a comment is worth a message to those who watch the commit."""
        return self.verdict is not None or self.state in ("success", "failure") or self.stage == "failed"


def words(line: ModelLine) -> dict[str, Word]:
    """Give the word of each commit by its SHA, the oldest run first."""
    fates = _fates(line)
    found: dict[str, Word] = {}
    for run in _looked_at(line):
        sha = run.commit.sha
        again = sha in found
        found.pop(sha, None)
        found[sha] = _word(run, fates.get(run.run_id), again=again)
    return found


@dataclass(frozen=True, slots=True)
class _Fate:
    """The record by which a run's model went live last, and the one that took it away for good."""

    live: Entry[ModelDeployed]
    barred: Entry[ModelDeployed] | None = None


def _looked_at(line: ModelLine) -> list[Run]:
    live = line.live[0].run_id if line.live else ""
    old = line.runs[:-RECENT]
    return [run for run in old if not run.outcome or run.run_id == live] + line.runs[-RECENT:]


def _fates(line: ModelLine) -> dict[str, _Fate]:
    """Follow what went live, in log order, as the fold does: a rollback bars what went live after its target last did."""
    order: list[Entry[ModelDeployed]] = []
    barred: dict[str, Entry[ModelDeployed]] = {}  # by digest
    for entry in line.deployments:
        event = entry.event
        if event.kind not in ("promote", "redeploy", "rollback"):
            continue
        if event.kind == "rollback":
            last = max((at for at, each in enumerate(order) if each.event.digest == event.digest), default=-1)
            barred.update({each.event.digest: entry for each in order[last + 1 :]})
        elif event.kind == "redeploy":
            barred.pop(event.digest, None)
        order.append(entry)
    return {entry.event.run_id: _Fate(entry, barred.get(entry.event.digest)) for entry in order}


def _word(run: Run, fate: _Fate | None, *, again: bool) -> Word:
    state, sentence = _went_live(run, fate) if fate is not None else _said(run)
    if run.attempt > 1:
        sentence = f"attempt {run.attempt}: {sentence}"
    stage = "deployed" if fate is not None else run.stage
    line = " ".join(sentence.split())
    return Word(run.commit.sha, run.run_id, run.attempt, stage, state, line[:1].upper() + line[1:], _verdict(run), again)


def _went_live(run: Run, fate: _Fate) -> tuple[str, str]:
    live = fate.live.event
    if fate.barred is not None:
        event = fate.barred.event
        return "failure", f"rolled back by {_person(event)} (deployment {event.deploy_seq})"
    if live.kind != "promote" or not live.caused_by:
        what = {"promote": "promoted", "redeploy": "deployed again"}.get(live.kind, "live again after a rollback,")
        state, told = "success", f"{what} by {_person(live)} (deployment {live.deploy_seq})"
    else:
        state, told = "success", f"deployed as number {live.deploy_seq}: {_verdict_sentence(run) or live.sentence}"
    return _with_replicas(run, live.deploy_seq, state, told)


def _with_replicas(run: Run, deploy_seq: int, state: str, told: str) -> tuple[str, str]:
    """Say which replicas could not load what is live; those that serve need no word."""
    if run.line.deploy_seq != deploy_seq:
        return state, told
    served = [entry.event for _, entry in sorted(run.line.served.items()) if entry.event.deploy_seq == deploy_seq]
    failed = [event for event in served if event.state != "serving"]
    if not failed:
        return state, told
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    trouble = f"replica {failed[0].replica} could not load it{more}: {failed[0].sentence or failed[0].reason}"
    return ("error" if len(failed) == len(served) else state), f"{trouble}; {told}"


def _said(run: Run) -> tuple[str, str]:
    outcome, verdict = run.outcome, run.verdict
    if outcome:
        return ("failure" if outcome == "rejected" else "error"), f"{outcome}: {run.sentence or run.reason}"
    if run.stage == "held":
        return "pending", f"accepted, and rests while the model is on hold{_held_by(run.line)}: {_verdict_sentence(run)}"
    if verdict is None:
        anew = " anew, as another model went live" if run.evaluated else ""
        return "pending", _OPEN[run.stage] + anew
    return "pending", f"{verdict.event.verdict}, {_OPEN['deciding']}: {verdict.event.sentence}"


def _verdict(run: Run) -> ModelEvaluated | None:
    """Give the verdict that the run's outcome rests on; of an open run the one that counts now, else its newest."""
    baseline = run.slot.event.baseline_digest if run.slot is not None else run.line.live_digest
    found = run.evaluated.get(baseline) or next(reversed(run.evaluated.values()), None)
    return found.event if found is not None else None


def _verdict_sentence(run: Run) -> str:
    verdict = _verdict(run)
    return verdict.sentence if verdict is not None else ""


def _person(event: ModelDeployed) -> str:
    return f"{event.actor or 'somebody'}{f', {event.reason}' if event.reason else ''}"


def _held_by(line: ModelLine) -> str:
    held = next((entry.event for entry in reversed(line.deployments) if entry.event.kind == "hold"), None)
    return f" by {_person(held)}" if held is not None else ""


def newest_first(found: Mapping[str, Word]) -> list[Word]:
    return list(reversed(found.values()))
