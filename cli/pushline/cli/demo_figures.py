"""The demo's figures and whether they are good enough: from the list of predictions alone. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST_SENT, LEAST_AROUND, LEAST_PER_SECOND = 500, 200, 50.0
AROUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One prediction under load."""

    sent: float  # monotonic seconds
    answered: float
    digest: str  # empty where it failed
    commit: str
    error: str


@dataclass(frozen=True, slots=True)
class Figures:
    sent: int
    failed: int
    before: int  # answered by the first model
    after: int  # answered by the second
    per_digest: dict[str, int]
    per_second: float
    longest_gap_ms: float  # between answers, from a second before the first answer of the second model to a second after
    slowest_ms: float  # of one answer, in the same time
    first_answer_of_second: float | None  # monotonic


def figures(shots: Sequence[Shot], first: str, second: str) -> Figures:
    """`first` and `second` are the commits' SHAs."""
    good = sorted((shot for shot in shots if not shot.error), key=lambda shot: shot.answered)
    swap = next((shot.answered for shot in good if shot.commit == second), None)
    near = [] if swap is None else [shot for shot in good if abs(shot.answered - swap) <= AROUND_SECONDS]
    gaps = [later.answered - earlier.answered for earlier, later in pairwise(near)]
    seconds = max((shot.sent for shot in shots), default=0.0) - min((shot.sent for shot in shots), default=0.0)
    return Figures(
        sent=len(shots),
        failed=len(shots) - len(good),
        before=sum(shot.commit == first for shot in good),
        after=sum(shot.commit == second for shot in good),
        per_digest=dict(Counter(shot.digest for shot in good)),
        per_second=round(len(shots) / seconds, 1) if seconds else 0.0,
        longest_gap_ms=round(max(gaps, default=0.0) * 1000, 1),
        slowest_ms=round(max((shot.answered - shot.sent for shot in near), default=0.0) * 1000, 1),
        first_answer_of_second=swap,
    )


def shortcomings(told: Figures, live_commit: str, second: str) -> list[str]:
    """What was promised and did not happen, a sentence each; empty when all is well."""
    wrong = []
    if told.failed:
        wrong.append(f"{told.failed} of {told.sent} predictions failed")
    if told.sent < LEAST_SENT:
        wrong.append(f"only {told.sent} predictions were sent, not {LEAST_SENT}")
    if told.per_second < LEAST_PER_SECOND:
        wrong.append(f"only {told.per_second} predictions a second were sent, not {LEAST_PER_SECOND:g}")
    for name, count in (("first", told.before), ("second", told.after)):
        if count < LEAST_AROUND:
            wrong.append(f"the {name} model answered {count} predictions, not {LEAST_AROUND}")
    if live_commit != second:
        wrong.append(f"commit {live_commit[:10] or 'none'} is live, not {second[:10]}")
    return wrong
