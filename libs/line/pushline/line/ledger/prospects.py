"""What comes next for a run, by the rules of the ledger alone. Pure: the deployer acts on it, people are told by it."""

from typing import Literal

from pushline.line.ledger.state import ModelLine, Run

Prospect = Literal["ended", "too_old", "training", "barred", "unjudged", "promotable", "resting", "refused"]


def prospect(run: Run) -> Prospect:
    """Say what is due.

    | prospect   | what becomes of the run                                             |
    |------------|---------------------------------------------------------------------|
    | ended      | nothing: it has its outcome                                         |
    | too_old    | closed as superseded, once it is trained: it is not above the fence |
    | training   | its trained record is waited for                                    |
    | barred     | closed as rejected: its digest is barred since a rollback           |
    | unjudged   | the evaluator judges it against what is live now                    |
    | promotable | it goes live                                                        |
    | resting    | accepted; it waits until a person releases the model                |
    | refused    | closed with what its verdict says                                   |
    """
    if run.outcome:
        return "ended"
    if run.rank <= run.line.fence:
        return "too_old"
    if run.trained is None:
        return "training"
    if run.trained.event.digest in run.line.barred:
        return "barred"
    return _judged(run, run.line)


def _judged(run: Run, line: ModelLine) -> Prospect:
    if run.verdict is None:
        return "unjudged"
    if run.verdict.event.verdict != "accepted":
        return "refused"
    return "resting" if line.on_hold else "promotable"
