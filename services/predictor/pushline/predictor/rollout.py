"""Decides what a replica does next about one model. Pure: no clock, no file, no thread; a test is a table of situations.

What is to serve is decided by the log alone; what cannot be loaded here is not invalid. So a replica follows numbers above its own
only, keeps what it has until the next one is loaded, and never goes back to an older record.
"""

from dataclasses import dataclass
from enum import Enum

from pushline.line.patience import LOAD

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = LOAD.first_seconds, LOAD.longest_seconds
REPORT_AFTER = 3  # failures that may pass by themselves, before the line is told
QUIET_SECONDS, LONGEST_BURST_SECONDS = 0.1, 1.0  # several records at once wait until no more come, but not for ever


class Step(Enum):
    NOTHING = "nothing"
    LOAD = "load"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The newest valid record of the model that is no close."""

    deploy_seq: int
    event_id: str
    empty: bool  # it holds a line on which nothing is live


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one model at one moment."""

    wanted: Wanted | None
    caught_up: bool  # the log was read to its end and can be read now; before that, the newest record read is not the newest
    parked: bool  # a record of a newer version than this program knows stands in front of what follows
    loading: bool
    settles_at: float = 0.0  # monotonic seconds; until then more records are expected


@dataclass(frozen=True, slots=True)
class Coming:
    """What came since the record that is followed, or is being loaded."""

    event_id: str  # the newest
    first_at: float
    newest_at: float


@dataclass(frozen=True, slots=True)
class Followed:
    """The record that this replica followed last; known from its own disk even where its files are lost."""

    deploy_seq: int
    event_id: str
    loaded: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last failure to load one record."""

    event_id: str
    permanent: bool
    failures: int
    retry_at: float  # monotonic seconds

    @property
    def to_report(self) -> bool:
        """Say whether the line is to be told now: once a record, at its first permanent failure or its third other one."""
        return self.permanent or self.failures == REPORT_AFTER


NOTHING_FOLLOWED = Followed(0, "", loaded=False)
NO_TROUBLE = Trouble("", permanent=False, failures=0, retry_at=0.0)


def next_step(sight: Sight, followed: Followed, trouble: Trouble, now: float) -> Step:
    """Say what to do about the wanted record. One load at a time: what came meanwhile is looked at when it ends."""
    wanted = sight.wanted
    if sight.loading or not sight.caught_up or wanted is None or wanted.empty or not _is_ahead(wanted, followed):
        return Step.NOTHING
    if now < sight.settles_at:
        return Step.WAIT
    if trouble.event_id != wanted.event_id:
        return Step.LOAD
    if trouble.permanent:
        return Step.NOTHING
    return Step.LOAD if now >= trouble.retry_at else Step.WAIT


def after_look(coming: Coming | None, wanted: Wanted | None, followed: Followed, now: float) -> Coming | None:
    if wanted is None or not _is_ahead(wanted, followed):
        return None
    if coming is None:
        return Coming(wanted.event_id, now, now)
    return coming if coming.event_id == wanted.event_id else Coming(wanted.event_id, coming.first_at, now)


def settles_at(coming: Coming | None, wanted: Wanted | None, followed: Followed) -> float:
    """Say when the newest record is to be loaded: at once where it is the next one, or nothing serves."""
    if coming is None or wanted is None or not followed.loaded or wanted.deploy_seq <= followed.deploy_seq + 1:
        return 0.0
    return min(coming.newest_at + QUIET_SECONDS, coming.first_at + LONGEST_BURST_SECONDS)


def after_failure(trouble: Trouble, event_id: str, permanent: bool, now: float) -> Trouble:
    failures = trouble.failures + 1 if trouble.event_id == event_id else 1
    pause = min(FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS)
    return Trouble(event_id, permanent, failures, now + pause)


def why_stale(sight: Sight, followed: Followed) -> str:
    """Say why this replica cannot be sure that it serves what it should; empty where it is."""
    wanted = sight.wanted
    if not sight.caught_up or sight.parked:
        return "the log cannot be read to its end now"
    if wanted is not None and wanted.event_id == followed.event_id:
        return ""
    if wanted is None or wanted.deploy_seq <= followed.deploy_seq:
        return f"the log lacks the record this replica serves (deploy_seq {followed.deploy_seq})"
    return "" if wanted.empty else f"deploy_seq {wanted.deploy_seq} is wanted and not loaded yet"


def is_lost(sight: Sight, followed: Followed) -> bool:
    """Say whether the log was read and lacks the record that this replica serves: an older backup of it was restored."""
    wanted = sight.wanted
    if not sight.caught_up or sight.parked or not followed.loaded or (wanted is not None and wanted.event_id == followed.event_id):
        return False
    return wanted is None or wanted.deploy_seq <= followed.deploy_seq


def _is_ahead(wanted: Wanted, followed: Followed) -> bool:
    same_but_lost = wanted.event_id == followed.event_id and not followed.loaded
    return wanted.deploy_seq > followed.deploy_seq or same_but_lost
