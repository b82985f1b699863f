"""A reload that nobody notices, on a real broker and store: storms of records, rollbacks without a store, many swaps on end."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pushline.line.codec import encode
from pushline.line.events import ModelDeployed, Serving
from tests.faults.asking import serves, under_load
from tests.faults.evidence import report
from tests.faults.places import Place, own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.procfs import children_of, told
from tests.faults.repositories import program
from tests.faults.rolling_back import ROLLBACK_SECONDS, roll_back_often
from tests.faults.services import Service
from tests.fixtures.predictor.deploying import SOURCE, Line
from tests.servers import ENVIRON
from tests.waiting import until

pytestmark = pytest.mark.alone

SEED = 0  # nothing here is left to chance
STORM, STORM_SECONDS, MOST_LOADS = 1000, 2.0, 5
ROLLBACKS = int(ENVIRON.get("PUSHLINE_TEST_ROLLBACKS", "20"))
SWAPS, WARM_UP_SWAPS, MORE = 100, 5, 1.05
CONNECTIONS = 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a broker and a store of our own: the store is stopped."""
    with own_place(tmp_path_factory.mktemp("servers")) as made:
        yield made


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[FaultLine]:
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({}, services=("predictor",))) as running:
        yield running


@pytest.fixture
def deployer(line: FaultLine) -> Line:
    """What the deployer would write."""
    return Line(line.seen.log, line.seen.store)


def loads(service: Service, model: str) -> float:
    found = re.findall(rf'^pushline_predictor_reloads_total{{model="{model}",.*}} (.*)$', service.metrics(), re.MULTILINE)
    return sum(map(float, found))


@pytest.mark.timeout(180)
def test_a_storm_of_records_costs_few_loads_and_ends_on_the_last(
    line: FaultLine, deployer: Line, place: Place, say: Callable[[str], None]
) -> None:
    model, predictor = "storm", line.services["predictor"]
    serves(predictor, deployer.deploy(program(1.0), model))
    with ThreadPoolExecutor(8) as pool:
        servings = list(pool.map(lambda number: upload(deployer, model, number), range(2, STORM + 2)))
    events = promotions(deployer, model, servings)
    before = loads(predictor, model)
    with under_load([predictor], model, CONNECTIONS) as load:
        seconds = written(place, events)
        serves(predictor, events[-1])

    count = loads(predictor, model) - before
    say(report("reload-storm", len(load.answers), len(load.failures), SEED, records=STORM, seconds=f"{seconds:.2f}", loads=count))
    assert load.failures == []
    assert load.wrong({seq: float(seq) for seq in range(1, STORM + 2)}) == []
    assert 1 <= count <= MOST_LOADS


def upload(deployer: Line, model: str, number: int) -> Serving:
    return deployer.upload(model, number, program(float(number)), "classification", ())


def promotions(deployer: Line, model: str, servings: Sequence[Serving]) -> list[ModelDeployed]:
    found = []
    for serving in servings:
        found.append(deployer.promote(model, serving))
        deployer.newest[model] = found[-1]
    return found


def written(place: Place, events: Sequence[ModelDeployed]) -> float:
    """Write them evenly over the time of the storm, without waiting for each report; give the seconds until the last report."""
    producer = Producer({"bootstrap.servers": place.kafka, "partitioner": "murmur2_random", "enable.idempotence": True})
    began = time.perf_counter()
    for number, event in enumerate(events):
        message = encode(event, SOURCE)
        producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
        producer.poll(max(0.0, began + STORM_SECONDS * number / len(events) - time.perf_counter()))
    assert producer.flush(10) == 0
    return time.perf_counter() - began


@pytest.mark.timeout(240)
def test_a_rollback_reaches_three_replicas_at_once_without_the_store(
    line: FaultLine, deployer: Line, place: Place, say: Callable[[str], None]
) -> None:
    told = roll_back_often(line, deployer, place, ROLLBACKS)

    say(str(told))
    assert (told.failures, told.wrong) == (0, 0)
    assert told.quantile(0.99) <= ROLLBACK_SECONDS


@dataclass(frozen=True)
class Resources:
    """Of all processes of a predictor."""

    resident: int  # KiB
    threads: int
    descriptors: int

    @classmethod
    def of(cls, service: Service) -> "Resources":
        pids = [service.pid, *children_of(service.pid)]
        lines = [each.split() for pid in pids for each in told(pid, "status").splitlines()]
        sums = {name: sum(int(words[1]) for words in lines if words and words[0] == name) for name in ("VmRSS:", "Threads:")}
        return cls(sums["VmRSS:"], sums["Threads:"], sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids))

    def within(self, before: "Resources") -> bool:
        return (
            self.resident <= MORE * before.resident
            and self.threads <= MORE * before.threads
            and self.descriptors <= MORE * before.descriptors
        )


@pytest.mark.timeout(240)
def test_many_swaps_leave_memory_threads_and_descriptors_as_they_were(
    line: FaultLine, deployer: Line, say: Callable[[str], None]
) -> None:
    model, predictor = "worn", line.services["predictor"]
    factors = {seq: float(seq) for seq in range(1, WARM_UP_SWAPS + SWAPS + 1)}
    serves(predictor, deployer.deploy(program(1.0), model))
    with under_load([predictor], model, CONNECTIONS) as load:
        for seq in range(2, WARM_UP_SWAPS + 1):
            serves(predictor, deployer.deploy(program(factors[seq]), model))
        before = Resources.of(predictor)
        for seq in range(WARM_UP_SWAPS + 1, len(factors) + 1):
            serves(predictor, deployer.deploy(program(factors[seq]), model))
        until(lambda: Resources.of(predictor).within(before), 20, f"no more than {MORE} times {before}")
        after = Resources.of(predictor)

    memory = f"{before.resident >> 10}->{after.resident >> 10}"
    figures: dict[str, float | str] = {
        "memory_mib": memory,
        "threads": f"{before.threads}->{after.threads}",
        "fds": f"{before.descriptors}->{after.descriptors}",
    }
    say(report("many-swaps", len(load.answers), len(load.failures), SEED, swaps=SWAPS, **figures))
    assert load.failures == []
    assert load.wrong(factors) == []
