"""The oracles of the campaigns on broker, store and crash points: silent about a history that is well, not about a broken one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from pushline.deployer.promotion import next_deployments
from pushline.line.codec import decode, encode
from pushline.line.events import ModelDeployed, ModelTrained
from pushline.line.ledger import Run
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from tests.faults.evidence import at
from tests.faults.flow import conflicting, lost_of
from tests.faults.killing import verdict_on
from tests.faults.promised import broken
from tests.faults.steady import Steady, Told
from tests.faults.telling import Teller

PARTITIONS = 4


@dataclass(frozen=True)
class History:
    """One run, from its push to its deployment, and its objects."""

    records: list[Record]
    run: Run
    store: MemoryStore

    def one(self, kind: type[ModelTrained] | type[ModelDeployed]) -> Record:
        return next(record for record in self.records if isinstance(decode(record).event, kind))

    @property
    def trained(self) -> ModelTrained:
        event = decode(self.one(ModelTrained)).event
        assert isinstance(event, ModelTrained)
        return event


def written(record: Record, event: ModelTrained) -> Record:
    """Give another record with this event, as whoever wrote it would have made it."""
    made = encode(event, "test")
    return replace(record, offset=record.offset + 1_000, value=made.value, headers=made.headers)


@pytest.fixture
def history() -> Iterator[History]:
    log, store, said = MemoryLog(PARTITIONS), MemoryStore(), list[Record]()
    tail = Tail(log, TOPIC_NAMES, on_fold=lambda record, _: said.append(record))
    tail.start()
    telling = Teller(log, tail, store, "m")  # type: ignore[arg-type] # a log in memory appends as Kafka's does
    run = telling.push()
    telling.train(run)
    telling.judge_all()
    with tail.read() as ledger:
        (promotion,) = next_deployments(ledger, frozenset(range(PARTITIONS)), {}).start
    telling.say(promotion.event)
    yield History(list(said), run, store)
    tail.stop()


def test_a_history_that_is_well_is_called_well(history: History) -> None:
    run = history.run.run_id

    assert lost_of(history.records, [run], [run], PARTITIONS) == set()
    assert conflicting([*history.records, *history.records]) == set()
    assert verdict_on(history.records, [run], PARTITIONS) == (set(), set())


def test_an_accepted_run_without_its_outcome_is_lost_and_so_is_one_that_nobody_wrote(history: History) -> None:
    run = history.run.run_id
    without = [record for record in history.records if record is not history.one(ModelDeployed)]

    assert lost_of(without, [run], [], PARTITIONS) == {run}
    assert lost_of(history.records, [run, "answered 202 and not in the log"], [run], PARTITIONS) == {
        "answered 202 and not in the log"
    }


def test_two_records_for_one_slot_are_double_and_two_contents_under_one_id_conflict(history: History) -> None:
    told = history.one(ModelTrained)
    again = written(told, replace(history.trained, sentence="trained once more"))
    forged = replace(told, offset=told.offset + 1_000, value=again.value)

    assert verdict_on([*history.records, again], [history.run.run_id], PARTITIONS) == (set(), {history.run.run_id})
    assert conflicting([*history.records, again]) == set()
    assert conflicting([*history.records, forged]) == {decode(told).id}


def test_an_object_that_an_event_names_and_the_store_has_not_as_named_is_told(history: History) -> None:
    name = history.trained.files[0]
    key = keys.model_file("m", name.sha256, name.name)
    found = broken(history.records, history.store)

    assert any(key in sentence for sentence in found)  # the teller's objects have other bytes than their digests are of
    assert all("SHA-256" in sentence for sentence in found)
    assert broken([record for record in history.records if record.topic == "commit"], history.store) == []


def test_an_answer_of_another_model_or_with_other_numbers_is_wrong() -> None:
    right = [[2.0, 4.0, 6.0]]
    told = [Told("m", "d", 1, right, 0.1), Told("m", "d", 1, [[0.0]], 0.1), Told("m", "never deployed", 1, right, 0.1)]

    assert Steady(told).wrong({"d": 2.0}) == told[1:]


def test_the_value_at_a_share_is_one_of_the_values() -> None:
    assert at([], 0.99) == 0.0
    assert at([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert at([1.0, 2.0], 0.99) == 2.0
