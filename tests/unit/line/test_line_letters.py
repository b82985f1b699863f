from collections.abc import Iterator

import pytest

from pushline.line.deadletters import DeadLetters, letter_id
from pushline.line.ledger import Ledger
from pushline.line.letters import DROPPED, ID_HEADER, REPLAYED, Letter, Mark, letter_of, mark, mark_of, read_letters
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.topics import COMMIT, SERVED

EVERYWHERE = frozenset(range(4))
HEADERS = (("ce_specversion", b"1.0"), ("x", b"\x00"))


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    line = MemoryLog(4)
    line.inject("commit", 2, b"digits", b"no event", HEADERS)
    deliver(line)
    yield line
    line.close()


def deliver(log: MemoryLog) -> int:
    """Do as a stage does at its start."""
    letters, ledger = DeadLetters(log, (COMMIT, SERVED)), Ledger(4)
    for record in (*log.records("commit"), *log.records("served")):
        letters.note(record, ledger.fold(record))
    return letters.write(EVERYWHERE)


def every(_: Letter) -> bool:
    return True


def test_a_letter_says_where_it_came_from_and_keeps_the_bytes(log: MemoryLog) -> None:
    (letter,) = read_letters(log, every)

    assert (letter.id, letter.origin, letter.place[0]) == (letter_id("commit", 2, 0), ("commit", 2, 0), "dlq.commit")
    assert (letter.key, letter.value, letter.headers, letter.size) == (b"digits", b"no event", HEADERS, 8)
    assert letter.whole
    assert (letter.original.topic, letter.original.value, letter.original.headers) == ("commit", b"no event", HEADERS)


def test_only_the_values_that_are_wanted_are_kept(log: MemoryLog) -> None:
    (letter,) = read_letters(log, lambda _: False)

    assert (letter.value, letter.size) == (b"", 8)


@pytest.mark.parametrize(("kind", "word"), [(DROPPED, "dropped"), (REPLAYED, "replayed")])
def test_a_mark_stands_with_its_letter_and_no_stage_writes_another_one_for_it(log: MemoryLog, kind: str, word: str) -> None:
    (letter,) = read_letters(log, every)

    log.append(mark(letter, kind, "ada", "seen"))

    (marked,) = read_letters(log, every)
    assert marked.marks == (Mark(word, "ada", "seen"),)
    assert deliver(log) == 0
    assert len(log.records("dlq.commit")) == 2


def test_a_letter_that_stands_there_twice_is_read_once(log: MemoryLog) -> None:
    (record,) = log.records("dlq.commit")
    log.inject("dlq.commit", 0, record.key, record.value, record.headers)

    assert len(read_letters(log, every)) == 1


def test_headers_of_the_original_that_look_like_a_letters_deceive_nobody() -> None:
    log = MemoryLog(4)
    forged = ((ID_HEADER, b"another id"), ("_dlq.errors.offset", b"99"), (DROPPED, b"another id"))
    log.inject("commit", 0, b"digits", b"no event", forged)
    deliver(log)

    (letter,) = read_letters(log, every)

    assert (letter.id, letter.origin) == (letter_id("commit", 0, 0), ("commit", 0, 0))
    assert letter.headers == forged
    assert letter.marks == ()
    assert deliver(log) == 0


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((ID_HEADER, b"id"),),
        ((ID_HEADER, b"id"), ("_dlq.errors.topic", b"served")),
        ((ID_HEADER, b"id"), ("_dlq.errors.topic", b"\xff")),
    ],
)
def test_what_is_no_letter_of_its_topic_is_passed_over(headers: tuple[tuple[str, bytes], ...]) -> None:
    assert letter_of(Record("dlq.commit", 0, 0, b"k", b"v", headers, 0)) is None


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[1]", b"[" * 100_000])
def test_a_mark_that_does_not_say_who_is_a_mark_of_nobody(value: bytes) -> None:
    assert mark_of(Record("dlq.commit", 0, 0, b"k", value, ((DROPPED, b"id"),), 0)) == ("id", Mark("dropped", "", ""))


def test_a_letter_that_was_cut_is_not_whole() -> None:
    log = MemoryLog(4)
    log.inject("commit", 0, b"digits", b"x" * 100_000, ())
    deliver(log)

    (letter,) = read_letters(log, every)

    assert not letter.whole
    assert letter.size == 100_000
