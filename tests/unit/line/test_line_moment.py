"""The fold of everything up to a moment, on a log whose broker keeps the time that a test gives it."""

import pytest

from pushline.line.broker import BrokerUnavailable
from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ids import partition_of
from pushline.line.memory import MemoryLog
from pushline.line.moment import Moment, NoSuchRecord, NoTime, Spot, Then, fold_up_to, moment_of
from pushline.line.topics import TOPIC_NAMES
from tests.unit.line.model import making as make

BEGAN = 1_800_000_000.0
PARTITION = partition_of(b"a", make.PARTITIONS)


class Told:
    """Appends one record a second."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.log = MemoryLog(make.PARTITIONS, lambda: self.now)

    def put(self, event: Event) -> int:
        """Give its time."""
        self.now += 1
        return self.log.append(encode(event, "test")).timestamp_ms

    def at(self, at_ms: int) -> Then:
        return fold_up_to(self.log, TOPIC_NAMES, Moment(at_ms), 5)

    def run(self, generation: int = 1) -> tuple[int, int, int]:
        """A push, its training and its verdict; give their times."""
        pushed = make.push("a", generation, previous=generation - 1)
        made = make.trained(pushed)
        return self.put(pushed), self.put(made), self.put(make.evaluated(made, "none"))


def stages(then: Then) -> list[str]:
    return [run.stage for run in then.ledger.line("a").runs]


def test_a_time_gives_what_was_known_by_then() -> None:
    told = Told()
    pushed, trained, judged = told.run()

    assert [stages(told.at(at)) for at in (pushed - 1, pushed, trained - 1, trained, judged, judged + 10_000)] == [
        [],
        ["training"],
        ["training"],
        ["evaluating"],
        ["deciding"],
        ["deciding"],
    ]


def test_a_place_gives_its_own_record_and_none_behind_it_on_its_partition() -> None:
    told = Told()
    told.run(1)
    told.now -= 1  # the next two records come within one tick of the clock
    first = told.put(make.push("a", 2, previous=1))
    told.now -= 1
    assert told.put(make.push("a", 3, previous=2)) == first

    moment = moment_of(told.log, Spot("commit", PARTITION, 1), 5)

    assert moment.at_ms == first
    assert len(stages(fold_up_to(told.log, TOPIC_NAMES, moment, 5))) == 2
    assert len(stages(told.at(first))) == 3


def test_a_place_takes_of_other_topics_what_was_there_at_its_time() -> None:
    told = Told()
    told.run(1)
    told.run(2)

    then = fold_up_to(told.log, TOPIC_NAMES, moment_of(told.log, Spot("commit", PARTITION, 1), 5), 5)

    assert stages(then) == ["deciding", "training"]


@pytest.mark.parametrize(
    ("spot", "why"), [(Spot("commit", PARTITION, 7), "its last offset is 0"), (Spot("served", 0, 0), "no record")]
)
def test_a_place_without_a_record_is_told(spot: Spot, why: str) -> None:
    told = Told()
    told.put(make.push("a", 1, previous=0))

    with pytest.raises(NoSuchRecord, match=why):
        moment_of(told.log, spot, 5)


def test_a_broker_without_times_is_told_and_nothing_is_guessed() -> None:
    log = MemoryLog(make.PARTITIONS, lambda: 0.0)
    log.append(encode(make.push("a", 1, previous=0), "test"))

    with pytest.raises(NoTime, match=f"commit/{PARTITION}@0"):
        fold_up_to(log, TOPIC_NAMES, Moment(1), 5)


def test_behind_the_first_later_record_nothing_counts_though_the_clock_went_back() -> None:
    told = Told()
    told.put(make.push("a", 1, previous=0))
    told.now += 100
    told.put(make.push("a", 2, previous=1))
    told.now -= 101
    back = told.put(make.push("a", 3, previous=2))

    then = told.at(back)

    assert len(stages(then)) == 1
    assert then.odd == [f"commit/{PARTITION}@2"]


def test_a_broker_that_is_away_is_told() -> None:
    told = Told()
    told.log.set_unavailable(away=True)

    with pytest.raises(BrokerUnavailable):
        told.at(0)
