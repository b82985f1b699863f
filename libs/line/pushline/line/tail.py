"""One thread that reads topics from offset 0 and folds them. Everybody else looks at the ledger under its lock, or waits for it.

A broker that is away is waited out for ever. A log that is cut (first offset above 0, a topic made anew) voids the fold: it is made
again from 0, without a snapshot, and while that cannot be done the tail says why and nothing that needs it is written. A record
whose `previous` is above all that was read in front of it puts the fold in doubt: it is made once more, from 0 too, and what is
still so then is an invalid record.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from pushline.line.broker import BrokerUnavailable, LineError, Log, LogTruncated, Place, Reader
from pushline.line.doubt import names_what_is_missing
from pushline.line.ledger import Judgement, Ledger
from pushline.line.patience import BROKER_AWAY
from pushline.line.records import Record
from pushline.line.resume import begin_of, read_back, snapshot_of
from pushline.line.snapshot import Snapshot, Unusable
from pushline.line.snapshots import Snapshots

T = TypeVar("T")
OnFold = Callable[[Record, tuple[Judgement, ...]], None]
OnReset = Callable[[], None]

CATCHING_UP = "catching up with the line"
POLL_SECONDS = 0.01
ASK_SECONDS = 1.0  # then the reading thread asks, and says what is wrong
BACK_OFF_SECONDS = BROKER_AWAY.first_seconds
REFUSED_REMEMBERED = 1000  # judgements of invalid records, for writers that ask why theirs does not count


class Tail:
    """`problem` is empty once everything that was in the log at the (re)start is folded and the broker answers."""

    def __init__(
        self,
        log: Log,
        topics: Sequence[str],
        on_fold: OnFold | None = None,
        on_reset: OnReset | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        """`on_fold` hears of every record but those that a snapshot stands for; the snapshots say what is told of these."""
        self.problem = CATCHING_UP
        self._log, self._topics = log, tuple(topics)
        self._on_fold, self._on_reset = on_fold, on_reset
        self._snapshots, self._since = snapshots, 0  # records folded since the last one
        self._changed = threading.Condition(threading.RLock())
        self._ledger = Ledger(1)
        self._folded: dict[Place, int] = {}
        self._last: dict[Place, Record] = {}  # the last one folded
        self._wanted: dict[Place, int] | None = None  # the end offsets noted at the start
        self._asked: list[_Ask] = []
        self._reader: Reader | None = None
        self._refused: dict[str, Judgement] = {}  # by event id, oldest first
        self._doubt: Judgement | None = None
        self._folded_twice: dict[Place, int] = {}  # what lies in front of it puts nothing in doubt any more
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._keep(stopping=True)
        if self._snapshots is not None:
            self._snapshots.wait()  # for one that was begun before, too
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def read(self) -> Iterator[Ledger]:
        """Give the ledger under its lock. Keep it short: nothing is folded meanwhile."""
        with self._changed:
            yield self._ledger

    def catch_up(self, timeout_seconds: float) -> None:
        """Return once everything that was in the log when this was called is folded. Raises BrokerUnavailable."""
        deadline = time.monotonic() + timeout_seconds
        ask = _Ask()
        reader, ends = self._ask_beside(timeout_seconds)
        with self._changed:
            ask.ends = ends if reader is self._reader else None  # else the log that it was asked of is gone
            if self._doubt is None and self._reached(ask):
                return
            self._asked.append(ask)
            while not self._reached(ask):
                left = deadline - time.monotonic()
                if left <= 0 or self._stop.is_set():
                    self._asked = [other for other in self._asked if other is not ask]
                    raise BrokerUnavailable(self.problem or "the broker did not answer in time")
                self._changed.wait(left)

    def _ask_beside(self, timeout_seconds: float) -> tuple[Reader | None, dict[Place, int] | None]:
        """Ask for the end at once, beside the thread that may be waiting for records. Where that fails, it is left to it."""
        with self._changed:
            reader = self._reader if self._wanted is not None and not self.problem else None
        ends = None
        with suppress(LineError):
            ends = reader.end(min(timeout_seconds, ASK_SECONDS)) if reader is not None else None
        return reader, ends

    def wait_until(self, found: Callable[[Ledger], T | None], timeout_seconds: float) -> T:
        """Call `found` on the ledger now and after every fold, until it gives something. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while (answer := found(self._ledger)) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self._stop.is_set():
                    raise TimeoutError
                self._changed.wait(left)
            return answer

    def wait_folded(self, topic: str, partition: int, offset: int, timeout_seconds: float) -> None:
        """Return once that record is folded. Raises TimeoutError."""
        self.wait_until(lambda _: True if self._folded.get((topic, partition), 0) > offset else None, timeout_seconds)

    def refused(self, event_id: str) -> Judgement | None:
        """Give the judgement that holds a record for invalid, if it was among the newest of those."""
        with self._changed:
            return self._refused.get(event_id)

    def folded_of(self, topic: str) -> dict[int, int]:
        """Give the next offset to be folded, by partition."""
        with self._changed:
            return {partition: offset for (name, partition), offset in self._folded.items() if name == topic}

    def _reached(self, ask: "_Ask") -> bool:
        return ask.ends is not None and all(self._folded.get(place, 0) >= end for place, end in ask.ends.items())

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._try_to_follow()
                self._stop.wait(BACK_OFF_SECONDS)
        except BaseException as error:
            self._say(f"defect: {error!r}")  # nobody folds any more: that is not to look well
            raise

    def _try_to_follow(self) -> None:
        try:
            self._follow()
        except Unusable as error:
            self._drop_snapshot(str(error))
            self._try_to_follow()
        except LogTruncated as error:
            self._drop_snapshot(str(error))
            self._say(f"line: {error}")
        except LineError as error:
            self._say(f"broker: {error}")

    def _follow(self) -> None:
        found = self._snapshots.first() if self._snapshots is not None else None
        reader = self._log.reader(self._topics, begin_of(found)) if found is not None else self._log.reader(self._topics)
        try:
            if found is not None:
                self._begin_with(found, reader)
            else:
                self._begin(Ledger(self._log.partitions()), reader)
            while not self._stop.is_set():
                self._step(reader)
        finally:
            reader.close()

    def _begin_with(self, found: Snapshot, reader: Reader) -> None:
        """Raises Unusable."""
        back = read_back(found, reader, self._log.partitions(), self._stop)
        ledger = Ledger.of(found.image)
        gc.freeze()
        with self._changed:
            self._begin(ledger, reader)
            self._folded = {(at.topic, at.partition): at.end for at in found.places}
            self._last = back.last
            if self._snapshots is not None:
                self._snapshots.taken(ledger)
        self._fold(back.beyond)

    def _drop_snapshot(self, why: str) -> None:
        if self._snapshots is not None:
            self._snapshots.drop(why)

    def _keep(self, *, stopping: bool = False) -> None:
        """Keep a snapshot where enough was folded since the last one. Only of a fold that is at the end of its log."""
        with self._changed:
            records = sum(self._folded.values())
            if self._snapshots is None or self._reader is None or self.problem or self._doubt is not None:
                return
            if not self._snapshots.due(self._since, records, stopping=stopping):
                return
            self._since = 0
            so_far = (self._topics, self._reader.identity(), self._folded, self._last)
            snapshot = snapshot_of(*so_far, self._ledger.image(), self._snapshots.open_letters())
        if stopping:
            self._snapshots.wait()
        self._snapshots.keep(snapshot)
        if stopping:
            self._snapshots.wait()

    def _begin(self, ledger: Ledger, reader: Reader) -> None:
        with self._changed:
            self._reader = reader
            if self._folded and self._on_reset is not None:
                self._on_reset()
            self._ledger, self._folded, self._wanted, self._refused, self._doubt = ledger, {}, None, {}, None
            self._last, self._since = {}, 0
            for ask in self._asked:
                ask.ends = None  # those of the log that is gone
        self._say(CATCHING_UP)

    def _step(self, reader: Reader) -> None:
        """Read once. A broker that is away keeps the reader and its place."""
        try:
            records = reader.poll(0 if self._asked or self._wanted is None else POLL_SECONDS)
            self._fold(records)
            self._answer(reader)
            self._keep()
        except BrokerUnavailable as error:
            self._say(f"broker: {error}")
            self._stop.wait(BACK_OFF_SECONDS)

    def _fold(self, records: Sequence[Record]) -> None:
        if not records:
            return
        with self._changed:
            for record in records:
                judgements = self._ledger.fold(record)
                self._folded[(record.topic, record.partition)] = record.offset + 1
                self._last[(record.topic, record.partition)] = record
                self._note_refused(judgements)
                self._note_doubt(judgements[0])
                if self._on_fold is not None:
                    self._on_fold(record, judgements)
            self._since += len(records)
            self._changed.notify_all()
        if self.problem == CATCHING_UP:
            gc.freeze()  # what was folded stays: else each collection of garbage goes through all of it, half of a start's time

    def _note_refused(self, judgements: tuple[Judgement, ...]) -> None:
        for judgement in judgements:
            if judgement.verdict == "invalid" and judgement.entry is not None:
                self._refused[judgement.entry.id] = judgement
        while len(self._refused) > REFUSED_REMEMBERED:
            del self._refused[next(iter(self._refused))]

    def _note_doubt(self, own: Judgement) -> None:
        topic, partition, offset = own.place
        if offset >= self._folded_twice.get((topic, partition), 0) and names_what_is_missing(own, self._ledger):
            self._doubt = own

    def _check_doubt(self) -> None:
        """Raises LogTruncated once everything at hand is folded, so that all of it is folded again at one time."""
        if self._doubt is None or not self._caught_up():
            return
        (topic, partition, offset), sentence = self._doubt.place, self._doubt.sentence
        self._doubt, self._folded_twice = None, dict(self._folded)
        raise LogTruncated(topic, partition, f"folded once more, because of offset {offset}: {sentence}")

    def _answer(self, reader: Reader) -> None:
        """Ask for end offsets where somebody waits for them, and note what was reached."""
        with self._changed:
            asked = [ask for ask in self._asked if ask.ends is None]
        if asked or self._wanted is None or self.problem:
            ends = reader.end(5.0)
            with self._changed:
                self._note_ends(asked, ends)
        position = reader.position()
        with self._changed:
            self._folded.update(position)  # over control records and gaps that carry no event
            self._check_doubt()
            if self.problem and self._caught_up():
                self.problem = ""
            self._asked = [ask for ask in self._asked if not self._reached(ask)]
            self._changed.notify_all()

    def _note_ends(self, asked: Sequence["_Ask"], ends: dict[Place, int]) -> None:
        for ask in asked:
            ask.ends = ends
        if self._wanted is None:
            self._wanted = ends

    def _caught_up(self) -> bool:
        return self._wanted is not None and all(self._folded.get(place, 0) >= end for place, end in self._wanted.items())

    def _say(self, problem: str) -> None:
        with self._changed:
            self.problem = problem
            self._changed.notify_all()


class _Ask:
    """Somebody who waits until everything that is in the log now is folded."""

    def __init__(self) -> None:
        self.ends: dict[Place, int] | None = None
