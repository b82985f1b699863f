"""`--as-of`: the forms of a moment, and what is said where there is none."""

import time

import pytest

from pushline.cli.as_of import fold_then, parse
from pushline.cli.exits import Exit, Said
from pushline.cli.status import view_models
from pushline.line.codec import encode
from pushline.line.memory import MemoryLog
from pushline.line.moment import Moment, Spot
from tests.unit.line.model import making as make

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-15T08:00:00Z", Moment(1_800_000_000_000)),
        ("2027-01-15T09:00:00+01:00", Moment(1_800_000_000_000)),
        ("2027-01-15 07:59:59.5+00:00", Moment(1_799_999_999_500)),
        ("2h", Moment(1_799_992_800_000)),
        ("1h30m", Moment(1_799_994_600_000)),
        ("deployed/2@17", Spot("deployed", 2, 17)),
        ("commit/0/3", Spot("commit", 0, 3)),
    ],
)
def test_a_moment_is_a_time_a_duration_or_a_place(text: str, moment: Moment | Spot) -> None:
    assert parse(text, NOW) == moment


def test_a_time_as_the_commands_print_it_is_local() -> None:
    printed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW - 60))

    assert parse(printed, NOW) == Moment(int(NOW - 60) * 1000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "'yesterday' is none of a time"),
        ("2027-13-01T00:00:00Z", "is none of a time"),
        ("-2h", "is none of a time"),
        ("0s", "is none of a time"),
        ("trained/1@-3", "is none of a time"),
        ("served/1@", "is none of a time"),
        ("trains/1@2", "no topic 'trains'; there are commit"),
        ("2030-01-01T00:00:00Z", "is still to come"),
        ("0001-01-01", "is none of a time"),
    ],
)
def test_what_is_no_moment_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(Said) as caught:
        parse(text, NOW)

    assert (caught.value.code, said in caught.value.sentence) == (Exit.USAGE, True)


def test_status_shows_what_was_there_by_then() -> None:
    clock = [NOW]
    log = MemoryLog(make.PARTITIONS, lambda: clock[0])
    pushed = make.push("a", 1, previous=0)
    for event in (pushed, make.trained(pushed)):
        clock[0] += 10
        log.append(encode(event, "test"))

    (view,) = view_models(fold_then(log, Moment(int(NOW + 15) * 1000)).ledger)

    assert [run.stage for run in view.open_runs] == ["training"]
    assert view_models(fold_then(log, Moment(int(NOW) * 1000)).ledger) == []


def test_a_broker_without_times_is_refused_in_a_sentence() -> None:
    log = MemoryLog(make.PARTITIONS, lambda: 0.0)
    log.append(encode(make.push("a", 1, previous=0), "test"))

    with pytest.raises(Said, match="keeps no time of its records") as caught:
        fold_then(log, Moment(1))

    assert caught.value.code == Exit.REFUSED


def test_a_record_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(Said, match="there is no record at commit/0@5") as caught:
        fold_then(MemoryLog(make.PARTITIONS), Spot("commit", 0, 5))

    assert caught.value.code == Exit.NOT_FOUND
