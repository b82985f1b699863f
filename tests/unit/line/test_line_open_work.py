"""Open work of the whole line: which stage each run waits for, since when, and what is to be served."""

from collections.abc import Iterator
from contextlib import contextmanager

from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ids import partition_of
from pushline.line.ledger import Ledger
from pushline.line.open_work import glance, open_runs, to_serve
from pushline.line.records import Record
from tests.fixtures.evaluator.story import Story
from tests.unit.line.model import making


def counted(ledger: Ledger) -> dict[str, int]:
    return {each.stage: each.runs for each in open_runs(ledger) if each.runs}


def test_a_run_is_counted_where_it_waits_and_nowhere_once_it_has_its_outcome() -> None:
    story = Story()
    story.push(1)
    assert counted(story.ledger) == {"training": 1}
    first = story.trained(1)
    assert counted(story.ledger) == {"evaluating": 1}
    story.evaluated(first, "none")
    assert counted(story.ledger) == {"deciding": 1}
    story.deployed(first)
    assert counted(story.ledger) == {}


def test_age_counts_from_the_newest_record_of_the_run_that_waits_longest() -> None:
    ledger = Ledger(making.PARTITIONS)
    pushed = making.push("m", 1, previous=0)
    later = making.push("m", 2, previous=1, sha="bb")
    for number, (event, at) in enumerate(((pushed, 1000), (later, 2000))):
        fold(ledger, event, number, at)
    fold(ledger, making.trained(pushed), 0, 9000)

    oldest = {each.stage: each.oldest_ms for each in open_runs(ledger)}

    assert oldest == {"training": 2000, "evaluating": 9000, "deciding": None, "held": None}


def test_what_is_to_be_served_is_told_of_models_that_have_something_live() -> None:
    story = Story()
    story.push(1)
    assert to_serve(story.ledger) == ()

    trained = story.trained(1)
    story.evaluated(trained, "none")
    story.deployed(trained)

    @contextmanager
    def read() -> Iterator[Ledger]:
        yield story.ledger

    assert glance(read)[1] == ((story.model, 1),)


def fold(ledger: Ledger, event: Event, offset: int, at_ms: int) -> None:
    message = encode(event, making.SOURCE)
    partition = partition_of(message.key, making.PARTITIONS)
    record = Record(message.topic, partition, offset, message.key, message.value, message.headers, at_ms)
    assert ledger.fold(record)[0].verdict == "valid"
