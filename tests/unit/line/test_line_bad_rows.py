"""How many undecodable records lie in a row, and where that stops a stage: a function of the log alone."""

from hypothesis import given
from hypothesis import strategies as st

from pushline.line.ledger import Ledger
from pushline.line.ledger.bad_rows import SHORTEST_ROW, BadRows
from pushline.line.letters import ACCEPTED, ID_HEADER, Accepted, accept, accepted_of
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.topics import COMMIT

PLACE = ("commit", 0)
MOST = SHORTEST_ROW
Step = tuple[str, int]
flags = st.lists(st.tuples(st.booleans(), st.integers(1, 2 * MOST)), max_size=12).map(
    lambda runs: [bad for bad, length in runs for _ in range(length)]
)


def rows_of(bad: list[bool], accepted: tuple[int, ...] = (), *, marks_first: bool = False) -> BadRows:
    rows = BadRows()
    for offset in accepted if marks_first else ():
        rows.accept(PLACE, offset)
    for offset, is_bad in enumerate(bad):
        if is_bad:
            rows.bad(PLACE, offset)
        else:
            rows.good(PLACE)
    for offset in () if marks_first else accepted:
        rows.accept(PLACE, offset)
    return rows


def longest_above(bad: list[bool], accepted: int) -> tuple[int, int]:
    """The plain way: the longest row of bad records above an offset, and where the first one that is too long passes the limit."""
    longest, row, stopped_at = 0, 0, -1
    for offset, is_bad in enumerate(bad):
        row = row + 1 if is_bad and offset > accepted else 0
        longest = max(longest, row)
        if row > MOST and stopped_at < 0:
            stopped_at = offset
    return longest, stopped_at


@given(flags, st.lists(st.integers(-1, 200), max_size=3))
def test_a_stop_is_what_counting_by_hand_finds_whatever_was_accepted_and_when_that_was_read(
    bad: list[bool], marks: list[int]
) -> None:
    longest, stopped_at = longest_above(bad, max(marks, default=-1))

    for marks_first in (True, False):
        stops = rows_of(bad, tuple(marks), marks_first=marks_first).stops(MOST, ("commit",))
        assert [(stop.count, stop.offset) for stop in stops] == ([(longest, stopped_at)] if longest > MOST else [])


@given(flags)
def test_accepting_what_is_shown_lets_it_go_on_and_nothing_before_that_does(bad: list[bool]) -> None:
    rows = rows_of(bad)
    for stop in rows.stops(MOST, ("commit",)):
        rows.accept(PLACE, stop.offset - MOST - 1)  # all in front of the row
        assert [again.offset for again in rows.stops(MOST, ("commit",))] == [stop.offset]
        rows.accept(PLACE, rows.newest(PLACE))

    assert rows.stops(MOST, ("commit",)) == []


@given(flags, st.integers(0, 60))
def test_a_stop_never_moves_or_ends_by_what_comes_behind_it(bad: list[bool], cut: int) -> None:
    before = rows_of(bad[:cut]).stops(MOST, ("commit",))
    after = rows_of(bad).stops(MOST, ("commit",))

    assert [stop.offset for stop in before] == [stop.offset for stop in after][: len(before)]


def test_a_good_record_behind_a_row_does_not_let_the_stage_go_on() -> None:
    (stop,) = rows_of([True] * (MOST + 5) + [False] * 3).stops(MOST, ("commit",))

    assert (stop.place, stop.offset, stop.count, stop.newest) == (PLACE, MOST, MOST + 5, MOST + 4)


def test_short_rows_take_no_memory_however_many_there_are() -> None:
    rows = rows_of(([True] * (SHORTEST_ROW - 1) + [False]) * 1000)

    assert (rows._open, rows._ended) == ({}, {})


def test_topics_and_partitions_stop_by_themselves() -> None:
    ledger = Ledger(4)
    for offset in range(MOST + 1):
        ledger.fold(Record("served", 2, offset, b"a", b"rubbish", (), 0))

    assert ledger.bad_rows.stops(MOST, ("commit", "deployed")) == []
    assert [stop.place for stop in ledger.bad_rows.stops(MOST, ("served",))] == [("served", 2)]


def test_a_letter_that_carries_a_mark_in_its_strange_headers_accepts_nothing() -> None:
    message = accept(Accepted(PLACE, 7, "ada", "a test"))
    record = MemoryLog(1).append(message)
    forged = Record(record.topic, 0, 0, b"-", b"", (*message.headers, (ID_HEADER, b"x")), 0)

    assert accepted_of(record) == Accepted(PLACE, 7, "ada", "a test")
    assert accepted_of(forged) is None


def test_a_mark_that_cannot_be_read_accepts_nothing() -> None:
    for told in (b"", b"0", b"0/x", b"-1/4", b"1/" + b"9" * 40, b"\xff"):
        assert accepted_of(Record(COMMIT.dead_letters, 0, 0, b"-", b"{}", ((ACCEPTED, told),), 0)) is None
    assert accepted_of(Record("commit", 0, 0, b"-", b"{}", ((ACCEPTED, b"0/4"),), 0)) is None


@given(
    bad=st.lists(st.booleans(), max_size=60),
    accepted=st.lists(st.integers(0, 60), max_size=2),
    further=st.lists(st.booleans(), max_size=30),
)
def test_rows_go_on_from_their_image_as_if_they_had_never_stopped(
    bad: list[bool], accepted: list[int], further: list[bool]
) -> None:
    rows = rows_of(bad, tuple(accepted))
    again = BadRows.of(rows.image())
    for each in (rows, again):
        for offset, is_bad in enumerate(further, start=len(bad)):
            if is_bad:
                each.bad(PLACE, offset)
            else:
                each.good(PLACE)
    assert again.image() == rows.image()
    assert again.stops(SHORTEST_ROW, ("commit",)) == rows.stops(SHORTEST_ROW, ("commit",))
