"""What is to stand at the forge about each commit of a model: a pure function of the ledger.

The newest attempt of a commit decides. A state is one of
* pending: the run is open, or an accepted one rests while a person holds the model;
* success: it went live, by itself or by a person's hand; that something newer went live after it changes nothing here;
* failure: it was judged and refused, or rolled back;
* error: it came to no verdict (failed, superseded), or no replica can load it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pushline.line.events import ModelEvaluated
from pushline.line.ledger import ModelLine, Run
from pushline.line.why.going_live import Fate, actor, fates, last_hold
from pushline.line.why.of_run import judged_by

RECENT = 200  # runs of a model that are looked at, beside open ones and the live one: older ones are never written again
_OPEN = {"training": "training", "evaluating": "trained, being evaluated"}
_SHA = re.compile(r"[0-9a-f]{40,64}")  # what goes into an address; whoever writes to the broker may name a commit as he likes


@dataclass(frozen=True, slots=True)
class Word:
    sha: str
    run_id: str
    attempt: int
    stage: str  # training | evaluating | deciding | held | deployed | rejected | failed | superseded
    state: str  # pending | success | failure | error
    fact: str  # what became of it
    why: str  # in the words of the verdict, of the failure, or of a person
    verdict: ModelEvaluated | None  # what the comment reports
    again: bool  # the commit had a run before this one

    @property
    def sentence(self) -> str:
        return f"{self.fact}: {self.why}" if self.why else self.fact

    @property
    def is_open(self) -> bool:
        return self.state == "pending"

    @property
    def has_news(self) -> bool:
        """There is something to read about it, so that a comment is worth a message to those who watch the commit."""
        return self.verdict is not None or self.state in ("success", "failure") or self.stage == "failed"


def words(line: ModelLine) -> dict[str, Word]:
    """Give the word of each commit by its SHA, the oldest run first."""
    known = fates(line)
    found: dict[str, Word] = {}
    for run in _looked_at(line):
        sha = run.commit.sha
        if not _SHA.fullmatch(sha):
            continue
        again = sha in found
        found.pop(sha, None)
        found[sha] = _word(run, known.get(run.run_id), again=again)
    return found


def _looked_at(line: ModelLine) -> list[Run]:
    live = line.live[0].run_id if line.live else ""
    old = line.runs[:-RECENT]
    return [run for run in old if not run.outcome or run.run_id == live] + line.runs[-RECENT:]


def _word(run: Run, fate: Fate | None, *, again: bool) -> Word:
    state, fact, why = _went_live(run, fate) if fate is not None else _said(run)
    if run.attempt > 1:
        fact = f"attempt {run.attempt}: {fact}"
    stage = "deployed" if fate is not None else run.stage
    told = fact[:1].upper() + fact[1:]
    return Word(run.commit.sha, run.run_id, run.attempt, stage, state, told, why, judged_by(run), again)


def _went_live(run: Run, fate: Fate) -> tuple[str, str, str]:
    event = fate.live.event
    if fate.barred is not None:
        barred = fate.barred.event
        return "failure", f"rolled back by {actor(barred)} (deployment {barred.deploy_seq})", barred.reason
    if event.kind == "promote" and event.caused_by:
        fact, why = f"deployed as number {event.deploy_seq}", _verdict_sentence(run) or event.sentence
    else:
        what = {"promote": "promoted", "redeploy": "deployed again"}.get(event.kind, "live again by a rollback")
        fact, why = f"{what} by {actor(event)} (deployment {event.deploy_seq})", event.reason
    failed, everywhere = _failed_replicas(run, event.deploy_seq)
    return "error" if everywhere else "success", fact, f"{failed}; {why}" if failed else why


def _failed_replicas(run: Run, deploy_seq: int) -> tuple[str, bool]:
    """Say which replicas could not load what is live, and whether none could; those that serve need no word."""
    if run.line.deploy_seq != deploy_seq:
        return "", False
    served = [entry.event for _, entry in sorted(run.line.served.items()) if entry.event.deploy_seq == deploy_seq]
    failed = [event for event in served if event.state != "serving"]
    if not failed:
        return "", False
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    told = f"replica {failed[0].replica} could not load it{more}: {failed[0].sentence or failed[0].reason}"
    return told, len(failed) == len(served)


def _said(run: Run) -> tuple[str, str, str]:
    outcome, verdict = run.outcome, run.verdict
    if outcome:
        return ("failure" if outcome == "rejected" else "error"), outcome, run.sentence or run.reason
    if run.stage == "held":
        return "pending", f"accepted, and rests while the model is on hold{_held_by(run.line)}", _verdict_sentence(run)
    if verdict is None:
        anew = " anew, as another model went live" if run.evaluated else ""
        return "pending", _OPEN[run.stage] + anew, ""
    return "pending", f"{verdict.event.verdict}, being decided", verdict.event.sentence


def _verdict_sentence(run: Run) -> str:
    verdict = judged_by(run)
    return verdict.sentence if verdict is not None else ""


def _held_by(line: ModelLine) -> str:
    held = last_hold(line)
    return f" ({actor(held.event)}{f', {held.event.reason}' if held.event.reason else ''})" if held is not None else ""


def newest_first(found: Mapping[str, Word]) -> list[Word]:
    return list(found.values())[::-1]
