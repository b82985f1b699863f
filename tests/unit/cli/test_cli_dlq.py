import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from pushline.cli.acts import Person
from pushline.cli.dlq import _named
from pushline.cli.dlq_acts import Act, drop_letters, put_back, trial
from pushline.cli.dlq_view import letter_facts, plain_letter, show_letter, show_table
from pushline.cli.exits import Exit, Said
from pushline.cli.terminal import Terminal
from pushline.line.codec import encode
from pushline.line.deadletters import DeadLetters
from pushline.line.ids import partition_of
from pushline.line.ledger import Ledger
from pushline.line.letters import Letter, read_letters
from pushline.line.topics import COMMIT
from tests.unit.cli.story import MODEL, Story, a_story

ADA = Person("ada", "the reader was too old")
PARTITION = partition_of(MODEL.encode(), 4)
EVERYWHERE = frozenset(range(4))


@pytest.fixture
def story() -> Iterator[Story]:
    with a_story("one") as told:
        yield told


def bury(story: Story, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Letter:
    """Copy bytes to the dead letters as a stage would that cannot read them."""
    letters, ledger = DeadLetters(story.log, (COMMIT,)), Ledger(4)
    record = story.log.inject("commit", PARTITION, MODEL.encode(), b"", (("garbage", value[:10]),))
    buried = ledger.fold(record)
    letters.note(type(record)(record.topic, record.partition, record.offset, record.key, value, headers, 0), buried)
    letters.write(EVERYWHERE)
    return max(read_letters(story.log, lambda _: True), key=lambda letter: letter.origin[2])


def bury_event(story: Story) -> Letter:
    """The push again, which an older reader could not read."""
    message = encode(story.run("one").push.event, "/test")
    return bury(story, message.value, message.headers)


def a_terminal(width: int = 80) -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=width), Console(file=io.StringIO(), width=width), {})


def text_of(terminal: Terminal) -> str:
    assert isinstance(terminal.out.file, io.StringIO)
    return terminal.out.file.getvalue()


def test_what_is_still_no_event_is_not_put_back(story: Story) -> None:
    letter = bury(story, b"no event", ())
    before = len(story.log.records("commit"))

    with pytest.raises(Said, match="still no event, and would only come back") as caught:
        put_back(story.open, letter, Act(ADA, again=False))

    assert caught.value.code == Exit.REFUSED
    assert len(story.log.records("commit")) == before


def test_a_letter_put_back_is_judged_like_any_late_record_and_marked(story: Story) -> None:
    letter = bury_event(story)

    put = put_back(story.open, letter, Act(ADA, again=False))

    assert (put.verdict, put.rule) == ("invalid", "push_previous")
    newest = story.log.records("commit")[-1]
    assert (newest.key, newest.value, newest.headers) == (letter.key, letter.value, letter.headers)
    assert put.place == (newest.topic, newest.partition, newest.offset)
    (marked,) = [each for each in read_letters(story.log, lambda _: True) if each.id == letter.id]
    assert [(mark.kind, mark.actor, mark.reason) for mark in marked.marks] == [("replayed", "ada", ADA.reason)]


def test_a_trial_says_the_same_and_writes_nothing(story: Story) -> None:
    letter = bury_event(story)
    before = len(story.log.records("commit"))

    put = trial(story.open, letter, Act(ADA, again=False))

    assert (put.verdict, put.rule, put.place) == ("invalid", "push_previous", None)
    assert "Nothing was written" in put.sentence
    assert len(story.log.records("commit")) == before
    assert story.line().newest_generation == 1


def test_a_letter_is_put_back_once_unless_again_is_said(story: Story) -> None:
    letter = bury_event(story)
    put_back(story.open, letter, Act(ADA, again=False))
    (marked,) = [each for each in read_letters(story.log, lambda _: True) if each.id == letter.id]

    with pytest.raises(Said, match="was replayed by ada already"):
        put_back(story.open, marked, Act(ADA, again=False))

    assert put_back(story.open, marked, Act(ADA, again=True)).verdict == "invalid"


def test_a_letter_of_which_not_all_was_kept_is_not_put_back(story: Story) -> None:
    letter = bury(story, b"x" * 100_000, ())

    with pytest.raises(Said, match="of its 100000 bytes were kept"):
        put_back(story.open, letter, Act(ADA, again=False))


def test_a_dropped_letter_has_a_mark_and_is_dropped_once(story: Story) -> None:
    letter = bury(story, b"no event", ())

    drop_letters(story.open, [letter], Person("bob", "a test"))

    (marked,) = read_letters(story.log, lambda _: True)
    assert [(mark.kind, mark.actor, mark.reason) for mark in marked.marks] == [("dropped", "bob", "a test")]
    with pytest.raises(Said, match="dropped already"):
        drop_letters(story.open, [marked], ADA)


@pytest.mark.parametrize(("name", "code"), [("abc", Exit.USAGE), ("ffffffff", Exit.NOT_FOUND), ("served/0/0", Exit.NOT_FOUND)])
def test_a_letter_that_cannot_be_told_is_a_sentence(story: Story, name: str, code: Exit) -> None:
    bury(story, b"no event", ())

    with pytest.raises(Said) as caught:
        _named(story.open, [name])

    assert caught.value.code == code


def test_a_letter_is_named_by_its_id_or_by_where_it_came_from(story: Story) -> None:
    letter = bury(story, b"no event", ())

    assert _named(story.open, [letter.id[:6], "/".join(map(str, letter.origin))]) == [letter]


@pytest.mark.parametrize("value", [b"text \x1b[31mred\x1b]0;title\x07", bytes(range(256)) * 4, b"", "ein schöner Text".encode()])
def test_nothing_of_a_letter_reaches_the_terminal_unescaped(story: Story, value: bytes) -> None:
    letter = bury(story, value, (("h\x1b[2J", b"\x07"), ("ü", b"\xff")))
    terminal = a_terminal()

    show_letter(terminal, letter, 500)
    show_table(terminal, [letter], 3)

    assert all(each.isprintable() or each == "\n" for each in text_of(terminal))
    assert "2 more; -n 3 shows them" in text_of(terminal)


def test_a_character_that_the_limit_cuts_does_not_make_a_text_hexadecimal(story: Story) -> None:
    terminal = a_terminal()

    show_letter(terminal, bury(story, "grüße".encode(), ()), 3)

    assert "gr" in text_of(terminal).splitlines()
    assert "… 4 more bytes" in text_of(terminal)


def test_json_has_the_facts_and_the_bytes(story: Story) -> None:
    letter = bury(story, b"\xff", (("x", b"\xfe"),))

    told = plain_letter(letter)

    assert told["value_base64"] == "/w=="
    assert told["headers"] == [["x", "\\xfe"]]
    assert letter_facts(letter)["origin"] == {"topic": "commit", "partition": PARTITION, "offset": letter.origin[2]}
