"""Promises 5, 6, 8 and 9: what a predictor serves, while objects rot, models change under load, and nobody else is there."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.events import ModelDeployed, ModelServed
from pushline.line.ledger import Ledger
from pushline.objects import keys
from tests.faults.asking import ask, serves, times, under_load
from tests.faults.evidence import report, seeded
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.repositories import program
from tests.faults.services import Service, frozen
from tests.fixtures.predictor.deploying import Line
from tests.waiting import until

pytestmark = pytest.mark.alone

SEED = 6
SWAPS, CONNECTIONS = 30, 3
NOWHERE = {"PUSHLINE_KAFKA": "127.0.0.1:1", "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:1"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[FaultLine]:
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({}, services=("predictor",))) as running:
        yield running


@pytest.fixture
def deployer(line: FaultLine) -> Line:
    """What the deployer would write."""
    return Line(line.seen.log, line.seen.store)


def told_to_have_failed(line: FaultLine, event: ModelDeployed) -> ModelServed:
    def found(ledger: Ledger) -> ModelServed | None:
        reports = [entry.event for entry in ledger.line(event.model).served.values()]
        return next((each for each in reports if each.deploy_seq == event.deploy_seq and each.state == "failed"), None)

    return line.seen.tail.wait_until(found, 30)


def flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


@pytest.mark.parametrize("what", ["program", "manifest"])
def test_one_flipped_bit_in_the_store_is_never_served_and_the_model_before_stays(
    line: FaultLine, deployer: Line, what: str
) -> None:
    model, predictor, store = f"rotten-{what}", line.services["predictor"], line.seen.store
    chance = seeded(SEED)
    serves(predictor, deployer.deploy(program(2.0), model))
    serving = deployer.upload(model, 2, program(3.0), "classification", ())
    file = serving.files[1]
    key = (
        keys.model_file(model, file.sha256, file.name)
        if what == "program"
        else keys.manifest(model, serving.run_id, serving.manifest_sha256)
    )
    right = store.read_bytes(key, 1 << 20)
    store.put_bytes(key, flip(right, chance))

    event = deployer.append(deployer.promote(model, serving))
    failure = told_to_have_failed(line, event)
    kept = ask(predictor, model)
    assert kept is not None
    assert (kept.y.tolist(), kept.deploy_seq) == (times(2.0), 1)
    assert "digest_mismatch" in failure.reason

    store.put_bytes(key, right)
    assert serves(predictor, event).y.tolist() == times(3.0)


def test_a_damaged_copy_on_disk_is_not_served_but_fetched_again(line: FaultLine, deployer: Line) -> None:
    model, predictor = "damaged", line.services["predictor"]
    event = deployer.deploy(program(2.0), model)
    serves(predictor, event)
    predictor.kill()
    damaged = damage_copies(predictor, model)

    with nobody_there(predictor):
        assert ask(predictor, model) is None
    predictor.start()
    predictor.listening()

    answer = serves(predictor, event)
    assert (damaged > 0, answer.y.tolist()) == (True, times(2.0))


def damage_copies(predictor: Service, model: str) -> int:
    """Flip a bit of every program of this model in the cache; give how many."""
    chance, found = seeded(SEED), 0
    for path in Path(predictor.child.service.environ["PUSHLINE_CACHE"]).rglob("*"):
        if path.is_file() and path.read_bytes() == program(2.0) and model in str(path):
            path.chmod(0o600)
            path.write_bytes(flip(path.read_bytes(), chance))
            found += 1
    return found


@contextmanager
def nobody_there(predictor: Service) -> Iterator[None]:
    """Run it from its disk alone, with neither broker nor store, until the block ends."""
    child = predictor.child
    service = child.service
    child.service = replace(service, environ={**service.environ, **NOWHERE})
    try:
        predictor.start()
        until(lambda: ask(predictor, "anchor") is not None, 30, "answers from the disk")
        yield
    finally:
        predictor.kill()
        child.service = service


@pytest.fixture(autouse=True)
def anchor(line: FaultLine) -> None:
    """One model that is always served: by it one sees that a predictor has started."""
    predictor = line.services["predictor"]
    if ask(predictor, "anchor") is None:
        serves(predictor, Line(line.seen.log, line.seen.store).deploy(program(9.0), "anchor"))


def test_it_starts_and_serves_with_broker_and_store_both_away_and_says_stale(
    line: FaultLine, deployer: Line, say: Callable[[str], None]
) -> None:
    model, predictor, trials = "alone", line.services["predictor"], 3
    for trial in range(trials):
        event = deployer.deploy(program(2.0 + trial), model)
        serves(predictor, event)
        predictor.kill()
        with nobody_there(predictor):
            answer = ask(predictor, model)
            assert answer is not None
            assert (answer.y.tolist(), answer.deploy_seq, answer.stale) == (times(2.0 + trial), event.deploy_seq, True)
            assert predictor.problem() == ""
        predictor.start()
        predictor.listening()
        serves(predictor, event)  # no longer stale

    say(report("cold-start-from-the-cache", trials, 0, SEED))


@pytest.mark.timeout(120)
def test_under_load_no_request_fails_while_models_are_swapped(line: FaultLine, deployer: Line, say: Callable[[str], None]) -> None:
    predictor, chance = line.services["predictor"], seeded(SEED)
    event = deployer.deploy(program(1.0))
    serves(predictor, event)
    with under_load([predictor], event.model, CONNECTIONS) as load:
        for number in range(2, SWAPS + 2):
            event = deployer.deploy(program(float(number)))
            if chance.random() < 0.7:  # else the next follows at once
                serves(predictor, event)
        serves(predictor, event)

    seen = {said.deploy_seq for said in load.answers}
    assert load.failures == []
    assert load.wrong({seq: float(seq) for seq in range(1, SWAPS + 2)}) == []
    assert len(seen) >= SWAPS // 2
    say(report("reload-under-load", len(load.answers), 0, SEED, swaps=SWAPS, models_seen=len(seen)))


def test_a_replica_that_slept_converges_with_the_others_on_the_newest_valid_record(
    line: FaultLine, deployer: Line, say: Callable[[str], None]
) -> None:
    model, trials, chance = "converging", 5, seeded(SEED)
    replicas = [line.services["predictor"], line.another("second", "predictor")]
    newest = deployer.deploy(program(1.0), model)
    for trial in range(trials):
        with frozen(chance.choice(replicas).pid):
            for factor in range(4):
                newest = deployer.deploy(program(10.0 * trial + factor + 2), model)
            invalid = replace(newest, deploy_seq=newest.deploy_seq + 9, previous=newest.previous)  # it did not read `newest`
            deployer.append(invalid)
            deployer.newest[model] = newest
        answers = [serves(replica, newest) for replica in replicas]
        assert [answer.y.tolist() for answer in answers] == [times(10.0 * trial + 5)] * 2

    say(report("replicas-converge", trials, 0, SEED))
