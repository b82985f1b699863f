from collections.abc import Mapping, Sequence

import pytest

from pushline.line.broker import Place
from pushline.line.codec import encode
from pushline.line.memory import MemoryLog, MemoryReader
from pushline.line.tail import Tail
from tests.unit.line.model import making as make
from tests.unit.line.waiting import TOPIC_NAMES, eventually, ready_tail, running


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.BACK_OFF_SECONDS", 0.01)


class CountsReaders(MemoryLog):
    made = 0

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> MemoryReader:
        self.made += 1
        return super().reader(topics, begin)


def test_a_previous_above_all_that_was_read_is_folded_once_more_and_then_invalid() -> None:
    log, resets = CountsReaders(make.PARTITIONS), list[bool]()
    log.append(encode(make.push("a", 1, previous=0), "test"))

    with running(Tail(log, TOPIC_NAMES, on_reset=lambda: resets.append(True))) as tail:
        eventually(lambda: tail.problem == "")
        log.append(encode(make.push("a", 7, previous=6), "test"))
        eventually(lambda: log.made == 2 and tail.problem == "")

        log.append(encode(make.push("a", 2, previous=1), "test"))
        tail.catch_up(10)

        with tail.read() as ledger:
            assert (ledger.line("a").newest_generation, ledger.broken_rules[("commit", "push_previous")]) == (2, 1)
    assert (log.made, resets) == (2, [True])


def test_many_such_records_at_the_start_cost_one_fold_more() -> None:
    log = CountsReaders(make.PARTITIONS)
    for number in range(20):
        log.append(encode(make.deployed("promote", make.push("a", 1, previous=0), "m", 10 + number, 9 + number), "test"))

    with ready_tail(log):
        assert log.made == 2


def test_a_lost_race_puts_nothing_in_doubt() -> None:
    log = CountsReaders(make.PARTITIONS)
    log.append(encode(make.push("a", 1, previous=0), "test"))
    log.append(encode(make.push("a", 1, previous=0, sha="bb"), "test"))

    with ready_tail(log):
        assert log.made == 1
