"""What becomes of each record that is read, and of each piece of open work: two tables, which ARCHITECTURE shows.

They decide nothing: the ledger and the stage do. A test drives both through every row and holds the table against what they did.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordFate:
    """`verdict` is what the ledger says of the record."""

    verdict: str
    is_that: str
    counts: bool  # it changes what is known of runs and models
    dead_letter: bool  # the stage whose input it is copies it to `dlq.<topic>`, once
    parks: bool  # nothing is started any more for models of its partition
    then: str


RECORDS: tuple[RecordFate, ...] = (
    RecordFate("valid", "every rule accepts", True, False, False, "what follows from it is open work until it is answered"),
    RecordFate("invalid", "can be read, and a rule refuses", False, False, False, "counted by rule; its writer reads that back"),
    RecordFate("kept", "names a cause that was not read yet", False, False, False, "judged as soon as the cause counts"),
    RecordFate("undecodable", "is no event of ours", False, True, False, "counted; too many in a row stop its partition"),
    RecordFate("newer", "has a newer major version", False, False, True, "not ready, the version named; nothing skipped"),
    RecordFate("parked", "lies behind such a one", False, False, True, "read from 0 by a program of that version"),
    RecordFate("letter", "lies on a dead-letter topic", False, False, False, "a copy, or a person's mark: a stopped stage goes on"),
)


@dataclass(frozen=True, slots=True)
class WorkFate:
    """`end` names how a try of the work ended."""

    end: str
    is_that: str
    answered: bool  # a record of it counts: it is open no more
    tried_again: bool  # after a back-off, if `decide` still asks for it
    named: bool  # /readyz says what it waits for
    then: str


WORK: tuple[WorkFate, ...] = (
    WorkFate("answered", "its record was read back as valid", True, False, False, "it is open no more"),
    WorkFate("shortened", "its record was too large, and less was said", True, False, False, "in the end `event_too_large`"),
    WorkFate("overtaken", "another record was in front of its own", False, True, False, "decided afresh on the new fold"),
    WorkFate("silent", "it had nothing to say", False, True, False, "asked again at once; cancelled work ends so"),
    WorkFate("transient", "store, forge or index are away", False, True, True, "waited out for ever; it is never an outcome"),
    WorkFate("away", "the broker is away, nothing was written", False, True, True, "waited out for ever"),
    WorkFate("refused", "the broker takes not even the least", False, True, True, "waited out for ever; topic and setting named"),
    WorkFate("unknown", "no delivery report came", False, True, True, "read on and looked for; the same bytes fill one slot"),
    WorkFate("defect", "it broke in a way that nobody named", False, True, True, "told with its traceback; it is never an outcome"),
)
