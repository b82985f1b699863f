"""Append an event and read it back: a record counts only if every reader's fold says so."""

from dataclasses import dataclass

from pushline.line.broker import AppendUnknown, BrokerUnavailable, Log
from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.records import Message
from pushline.line.tail import CATCHING_UP, Tail

READ_BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an event that was written. `counted` is False where another record had taken its place."""

    id: str
    counted: bool
    rule: str
    sentence: str


class Writer:
    def __init__(self, log: Log, tail: Tail, source: str) -> None:
        self._log, self._tail, self._source = log, tail, source

    def publish(self, event: Event, traceparent: str = "") -> Published:
        """Append and read back. The same event again is harmless: same bytes, same id, no second slot.

        Raises MessageTooLarge, BrokerUnavailable (nothing was written) and AppendUnknown (it may be in the log, or come).
        """
        message = encode(event, self._source, traceparent)
        if (problem := self._tail.problem) not in {"", CATCHING_UP}:
            raise BrokerUnavailable(problem)  # the log may be cut, another one or wrongly set up: nothing is written to it
        try:
            record = self._log.append(message)
        except AppendUnknown:
            return self._look_for(message)
        try:
            self._tail.wait_folded(record.topic, record.partition, record.offset, READ_BACK_SECONDS)
        except TimeoutError:
            raise AppendUnknown(f"the record on {record.topic} was written and could not be read back in time") from None
        return self._found(_id(message)) or Published(_id(message), counted=False, rule="", sentence="it waits for its cause")

    def _look_for(self, message: Message) -> Published:
        """No delivery report: read on to the end and look whether a record with this id is there, and what became of it."""
        try:
            self._tail.catch_up(READ_BACK_SECONDS)
        except BrokerUnavailable as error:
            raise AppendUnknown(str(error)) from None
        found = self._found(_id(message))
        if found is None:
            raise AppendUnknown("the broker did not confirm the record, and it is not in the log so far")
        return found

    def _found(self, wanted: str) -> Published | None:
        """Say what became of the event: a valid record with its id, else the rule that refused it, else nothing is known."""
        with self._tail.read() as ledger:
            if ledger.valid(wanted) is not None:
                return Published(wanted, counted=True, rule="", sentence="")
        refused = self._tail.refused(wanted)
        return Published(wanted, counted=False, rule=refused.rule, sentence=refused.sentence) if refused else None


def _id(message: Message) -> str:
    return dict(message.headers)["ce_id"].decode()
