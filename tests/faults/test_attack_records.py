"""Records forged by somebody who may write to the topics: one of them must not use up numbers or names for good."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pushline.auditor import views
from pushline.auditor.history import Filter, History
from pushline.line.broker import MAX_RECORD_BYTES
from pushline.line.codec import encode
from pushline.line.events import NO_COMMIT, CommitPushed, Event, ModelServed
from pushline.line.ids import partition_of, run_id
from pushline.line.ledger import Ledger
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from pushline.trainer.look import Look
from tests.fixtures.trainer_intake.forge import A, FakeForge, a_line, a_model
from tests.unit.line.model import making as make

LAST = 2**32 - 1


@pytest.fixture
def line() -> Iterator[tuple[Tail, Writer]]:
    with a_line(MemoryLog()) as line:
        yield line


def forged_push(generation: int, previous: int) -> CommitPushed:
    return replace(make.push("digits", generation, previous=0, sha="aa"), previous=previous)


def forged_served(deploy_seq: int) -> ModelServed:
    run = run_id("digits", 1, 1, "")
    return ModelServed("digits", run, 1, 1, NO_COMMIT, "no cause", deploy_seq, "", "a replica", "a start", "serving", "", "")


@pytest.mark.parametrize("forged", [forged_push(LAST, 0), forged_push(LAST, 7), forged_served(LAST)], ids=["near", "far", "served"])
def test_a_forged_number_at_the_end_of_all_numbers_does_not_stop_the_next_push(line: tuple[Tail, Writer], forged: Event) -> None:
    line[1].publish(forged)

    Look(a_model(), FakeForge([A]), *line, stopping=threading.Event(), lag_seconds=0.01)()

    with line[0].read() as ledger:
        of_it = ledger.line("digits")
        assert [push.event.commit.sha for push in of_it.pushes.values()] == [A]
        assert not of_it.behind_served
        assert of_it.highest_deploy_seq == 0


def test_numbers_a_leap_ahead_are_followed_and_one_more_is_not_valid() -> None:
    ledger = Ledger(1)

    verdicts = [_fold(ledger, forged_push(number, previous)) for number, previous in ((2**24, 0), (2**25 + 1, 2**24))]

    assert verdicts == ["valid", "invalid"]


@pytest.mark.parametrize("name", ["../../other", "a/b", "A", "a b", "a\x1b[2J", "<b>", "é", "-a", "a" * 64, "."])
def test_a_name_that_no_operator_can_give_a_model_is_not_taken_from_a_record(name: str) -> None:
    ledger = Ledger(1)

    assert _fold(ledger, make.push(name, 1, previous=0)) == "invalid"
    assert not ledger.models


@pytest.mark.parametrize("where", ["value", "header"])
def test_a_record_larger_than_any_of_ours_is_no_event_and_is_not_kept_in_memory(where: str) -> None:
    message = encode(make.push("digits", 1, previous=0), "forger")
    value = message.value[:-1] + b" " * (MAX_RECORD_BYTES if where == "value" else 0) + b"}"
    headers = (*message.headers, ("more", b"x" * (MAX_RECORD_BYTES if where == "header" else 0)))

    judged = Ledger(1).fold(Record("commit", 0, 0, message.key, value, headers, 0))[0]

    assert (judged.verdict, judged.sentence) == ("undecodable", "a record of more than 65536 bytes")


@pytest.mark.parametrize("depth", [100, 800, 950])
def test_a_value_nested_deeper_than_can_be_written_again_is_shown_as_text(depth: int) -> None:
    message = encode(make.push("digits", 1, previous=0), "forger")
    value = message.value[:-1] + b',"more":' + b"[" * depth + b"]" * depth + b"}"
    place = ("commit", partition_of(message.key, 1), 0)
    record = Record(*place, message.key, value, message.headers, timestamp_ms=2**62)
    history, ledger = History(lambda: 0), Ledger(1)
    history.note(record, ledger.fold(record))

    shown = views.event_view(next(history.newest_first(Filter())))

    assert json.loads(json.dumps(shown))["value"].startswith('{"actor":')
    assert shown["time"] == "9999-01-01T00:00:00Z"


def _fold(ledger: Ledger, event: Event) -> str:
    message = encode(event, "forger")
    place = (message.topic, partition_of(message.key, 1), 0)
    return ledger.fold(Record(*place, message.key, message.value, message.headers, 0))[0].verdict
