"""Too many undecodable records in a row stop a stage for their partition, until a person lets it go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pushline.line.broker import MAX_RECORD_BYTES
from pushline.line.deadletters import MOST_IN_MEMORY, DeadLetters
from pushline.line.letters import Accepted, accept, read_letters
from pushline.line.memory import MemoryLog
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, TOPIC_NAMES
from tests.unit.line.model import making as make
from tests.unit.line.toy_stage import Replica, folded, put, replica
from tests.unit.line.waiting import eventually, running

MOST = 10
FIRST, OTHER = make.push("a", 1, previous=0), make.push("d", 1, previous=0)  # on partitions of their own
PARTITION = 0
EVERYTHING = frozenset(range(make.PARTITIONS))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.stage.ASK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr("pushline.line.rereading.POLL_SECONDS", 0.01)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(make.PARTITIONS)


def poison(log: MemoryLog, count: int) -> None:
    for number in range(count):
        log.inject("commit", PARTITION, b"a", b"rubbish %d" % number)


def places(log: MemoryLog) -> list[int]:
    """Give the offsets whose records lie on the dead-letter topic, in the order in which they were copied."""
    return [letter.origin[2] for letter in read_letters(log, lambda _: False)]


def let_go(log: MemoryLog, offset: int) -> None:
    log.append(accept(Accepted(("commit", PARTITION), offset, "ada", "the sender is mended")))


def stopped(one: Replica) -> bool:
    return "undecodable records in a row" in one.stage.problem


def test_a_long_row_stops_its_partition_alone_and_says_where_and_how_many(log: MemoryLog) -> None:
    poison(log, MOST + 5)
    with replica(log, bad_records=MOST) as one:
        eventually(lambda: stopped(one))
        put(log, FIRST, OTHER)
        eventually(lambda: folded(one, ["d"]))

        assert f"commit/0 is stopped at offset {MOST}: {MOST + 5} undecodable records in a row" in one.stage.problem
        assert one.heard.starts == [OTHER.run_id]
    assert places(log) == list(range(MOST))


def test_as_many_as_are_allowed_stop_nothing(log: MemoryLog) -> None:
    poison(log, MOST)
    with replica(log, bad_records=MOST) as one:
        put(log, FIRST)
        eventually(lambda: folded(one, ["a"]))

        assert one.stage.problem == ""
    assert places(log) == list(range(MOST))


def test_bad_records_among_good_ones_stop_nothing_and_each_is_copied(log: MemoryLog) -> None:
    pushes = [make.push("a", number + 1, previous=number) for number in range(5)]
    with replica(log, bad_records=MOST) as one:
        for push in pushes:
            poison(log, MOST)
            put(log, push)
        eventually(lambda: folded(one, ["a"] * 5) and len(places(log)) == 5 * MOST)

        assert one.heard.stops == []


def test_a_person_s_mark_lets_it_go_on_and_every_record_of_the_row_is_copied_then(log: MemoryLog) -> None:
    poison(log, 3 * MOST)
    with replica(log, bad_records=MOST) as one:
        put(log, FIRST)
        eventually(lambda: stopped(one))
        let_go(log, 3 * MOST - 1)
        eventually(lambda: folded(one, ["a"]) and len(places(log)) == 3 * MOST)

        assert one.stage.problem == ""
        assert [len(stops) for stops in one.heard.stops][-1] == 0
    assert places(log) == list(range(3 * MOST))


def test_after_the_mark_a_further_row_stops_again(log: MemoryLog) -> None:
    poison(log, 2 * MOST)
    with replica(log, bad_records=MOST) as one:
        eventually(lambda: stopped(one))
        let_go(log, 2 * MOST - 1)
        eventually(lambda: not stopped(one) and len(places(log)) == 2 * MOST)
        poison(log, MOST)
        eventually(lambda: len(places(log)) == 3 * MOST)
        poison(log, 2)
        eventually(lambda: stopped(one))

    assert places(log) == list(range(3 * MOST))


def test_the_stop_and_its_end_survive_every_restart(log: MemoryLog) -> None:
    poison(log, 2 * MOST)
    put(log, FIRST)
    for _ in range(2):
        with replica(log, bad_records=MOST) as one:
            eventually(lambda at=one: stopped(at))  # type: ignore[misc]  # mypy does not infer it
            assert one.heard.starts == []
    assert places(log) == list(range(MOST))
    let_go(log, 2 * MOST - 1)

    for _ in range(2):
        with replica(log, bad_records=MOST) as one:
            eventually(lambda at=one: folded(at, ["a"]) and len(places(log)) == 2 * MOST)  # type: ignore[misc]
            assert not stopped(one)
    assert sorted(places(log)) == list(range(2 * MOST))


def test_a_higher_setting_lets_it_go_on_too(log: MemoryLog) -> None:
    poison(log, 2 * MOST)
    put(log, FIRST)
    with replica(log, bad_records=MOST) as one:
        eventually(lambda: stopped(one))

    with replica(log, bad_records=3 * MOST) as one:
        eventually(lambda: folded(one, ["a"]) and len(places(log)) == 2 * MOST)


@contextmanager
def noting(log: MemoryLog, letters: DeadLetters) -> Iterator[Tail]:
    with running(Tail(log, (*TOPIC_NAMES, COMMIT.dead_letters), letters.note)) as tail:
        tail.catch_up(20)
        yield tail


def written(tail: Tail, letters: DeadLetters) -> int:
    with tail.read() as ledger:
        letters.look(ledger)
    return letters.write(EVERYTHING)


def test_no_more_than_so_many_wait_in_memory_and_the_rest_is_read_from_the_log(log: MemoryLog) -> None:
    count = MOST_IN_MEMORY + 700  # more than one poll, and more than may wait
    for number in range(count):
        log.inject("commit", PARTITION, b"a", b"x")
        if number % MOST == 0:
            put(log, make.push("a", 1, previous=0))  # valid once, then invalid: decodable, that is what counts
    letters = DeadLetters(log, (COMMIT,), MOST)
    with noting(log, letters) as tail:
        assert len(letters._open) == MOST_IN_MEMORY
        eventually(lambda: written(tail, letters) == 0 and letters._held == {})

    assert letters.problem == ""
    assert len(places(log)) == count
    assert (letters._held, letters._rereading) == ({}, None)


def test_a_row_of_large_records_takes_no_memory_while_it_waits_for_a_person(log: MemoryLog) -> None:
    for _ in range(MOST + 200):
        log.inject("commit", PARTITION, b"a", b"x" * MAX_RECORD_BYTES)
    letters = DeadLetters(log, (COMMIT,), MOST)
    with noting(log, letters) as tail:
        assert len(letters._open) == MOST
        assert written(tail, letters) == MOST
        assert written(tail, letters) == 0
        assert letters._open == {}


def test_a_broker_that_goes_away_in_the_middle_of_reading_once_more_costs_no_letter(log: MemoryLog) -> None:
    poison(log, 1200)
    letters = DeadLetters(log, (COMMIT,), MOST)
    with noting(log, letters) as tail:
        written(tail, letters)
        let_go(log, 1199)
        tail.catch_up(20)
        assert written(tail, letters) > 0
        log.set_unavailable(away=True)
        assert written(tail, letters) == 0
        assert "away" in letters.problem
        log.set_unavailable(away=False)
        eventually(lambda: written(tail, letters) == 0 and letters._held == {})

    assert places(log) == list(range(1200))
