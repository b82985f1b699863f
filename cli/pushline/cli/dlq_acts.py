"""What a person may do to dead letters: put them back where they came from, or mark them as done with."""

import copy
from dataclasses import dataclass
from typing import Any

from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine
from pushline.line.broker import AppendUnknown, BrokerUnavailable, LineError
from pushline.line.codec import NewerVersion, Undecodable, decode
from pushline.line.ids import partition_of
from pushline.line.letters import DROPPED, REPLAYED, Letter, mark
from pushline.line.records import Message, Record

READ_BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Act:
    person: Person
    again: bool  # also what somebody was done with already


@dataclass(frozen=True, slots=True)
class Put:
    """A letter put back, or tried: what every reader makes of the record."""

    letter: Letter
    place: tuple[str, int, int] | None  # None: nothing was written
    verdict: str  # valid | invalid | kept
    rule: str
    why: str

    @property
    def sentence(self) -> str:
        what = f"{self.letter.id[:8]} from {_path(self.letter.origin)}"
        broken = f" (rule {self.rule})" if self.rule else ""
        why = f": {self.why}" if self.why else ""
        if self.place is None:
            return f"{what} would be {self.verdict}{broken}{why}. Nothing was written."
        return f"{what} was put back as {_path(self.place)} and is {self.verdict}{broken}{why}."

    @property
    def facts(self) -> dict[str, Any]:
        place = list(self.place) if self.place else None
        return {"letter": self.letter.id, "place": place, "verdict": self.verdict, "rule": self.rule, "sentence": self.why}


def trial(line: OpenLine, letter: Letter, act: Act) -> Put:
    """Say how the record would be judged, were it appended now. Raises Said where it must not be."""
    record = _acceptable(line, letter, act)
    with line.tail.read() as ledger:
        judged = copy.deepcopy(ledger).fold(record)[0]
    return Put(letter, None, judged.verdict, judged.rule, judged.sentence)


def put_back(line: OpenLine, letter: Letter, act: Act) -> Put:
    """Append the letter's bytes to the topic they came from, read them back, and mark the letter. Raises Said."""
    expected = _acceptable(line, letter, act)
    record = append(line, letter.original, "the replay")
    try:
        line.tail.wait_folded(record.topic, record.partition, record.offset, READ_BACK_SECONDS)
    except TimeoutError:
        raise Said(
            f"The letter was put back as {_path(_place(record))}; what the line made of it is unknown.", Exit.UNKNOWN
        ) from None
    append(line, mark(letter, REPLAYED, act.person.actor, act.person.reason), "the mark that it was replayed")
    return _judged(line, letter, record, decode(expected).id)


def drop_letters(line: OpenLine, letters: list[Letter], person: Person) -> list[Letter]:
    """Mark letters as done with; one that is marked so already is left. Raises Said."""
    open_ones = [letter for letter in letters if not any(done.kind == "dropped" for done in letter.marks)]
    if not open_ones:
        raise Said("Nothing changed: dropped already.", Exit.REFUSED)
    for letter in open_ones:
        append(line, mark(letter, DROPPED, person.actor, person.reason), "the mark")
    return open_ones


def _acceptable(line: OpenLine, letter: Letter, act: Act) -> Record:
    """Give the record that it would be. Raises Said where it was dealt with, is not whole, or would be no event again."""
    name = f"{letter.id[:8]} from {_path(letter.origin)}"
    if letter.marks and not act.again:
        done = letter.marks[-1]
        raise Said(
            f"{name} was {done.kind} by {done.actor or 'somebody'} already: {done.reason}; --again puts it back all the same.",
            Exit.REFUSED,
        )
    if not letter.whole:
        raise Said(f"{name} cannot be put back: only {len(letter.value)} of its {letter.size} bytes were kept.", Exit.REFUSED)
    record = _record(line, letter)
    try:
        decode(record)
    except Undecodable as error:
        raise Said(f"{name} is still no event, and would only come back as another dead letter: {error}.", Exit.REFUSED) from None
    except NewerVersion as error:
        raise Said(f"{name} would park its partition: {error}.", Exit.REFUSED) from None
    return record


def _record(line: OpenLine, letter: Letter) -> Record:
    message = letter.original
    with line.tail.read() as ledger:
        partition = partition_of(message.key, ledger.partitions)
    offset = line.tail.folded_of(message.topic).get(partition, 0)
    return Record(message.topic, partition, offset, message.key, message.value, message.headers, 0)


def append(line: OpenLine, message: Message, what: str) -> Record:
    try:
        return line.log.append(message)
    except AppendUnknown as error:
        raise Said(
            f"It is unknown whether {what} is in the log: {error}. Look at `pushline dlq list --all` first.", Exit.UNKNOWN
        ) from None
    except BrokerUnavailable as error:
        raise Said(f"The broker does not answer: {error}. {what.capitalize()} was not written.", Exit.UNREACHABLE) from None
    except LineError as error:
        raise Said(f"{what.capitalize()} cannot be written: {error}.", Exit.REFUSED) from None


def _judged(line: OpenLine, letter: Letter, record: Record, event_id: str) -> Put:
    refused = line.tail.refused(event_id)
    if refused is not None and refused.place == _place(record):
        return Put(letter, _place(record), refused.verdict, refused.rule, refused.sentence)
    with line.tail.read() as ledger:
        entry = ledger.valid(event_id)
    if entry is not None:
        return Put(letter, _place(record), "valid", "", "")
    return Put(letter, _place(record), "kept", "", "its cause was not read yet")


def _place(record: Record) -> tuple[str, int, int]:
    return (record.topic, record.partition, record.offset)


def _path(place: tuple[str, int, int]) -> str:
    return "/".join(map(str, place))
