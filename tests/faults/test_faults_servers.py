"""Broker and store in trouble, as services see it: /readyz says so soon, nothing is started again by hand, nothing is lost."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from pushline.line.kafka_topics import KafkaTopics
from tests.faults import repositories
from tests.faults.places import own_place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line
from tests.faults.services import frozen
from tests.waiting import until

SAID_SECONDS, HEALED_SECONDS = 20.0, 60.0  # a store is waited for by the live log first, then by the upload
MADE_ANEW = (("commit", "served"), ("evaluated", "trained"))  # in the order in which a reader names them


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish({"told": "", "polled": 'reconcile_interval = "1s"\n', "slept": 'reconcile_interval = "1s"\n'}, stub_python)
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


def all_say(line: FaultLine, names: tuple[str, ...], reason: str) -> None:
    silent = [line.services[name] for name in names]

    def all_said() -> bool:
        silent[:] = [service for service in silent if reason not in service.problem()]
        return not silent

    try:
        until(all_said, SAID_SECONDS)
    except AssertionError:
        said = {service.child.service.name: service.problem() for service in silent}
        pytest.fail(f"{said} after {SAID_SECONDS} s, and not a word of {reason}")


def goes_on(line: FaultLine, model: str, factor: float) -> None:
    """A push is carried through, as if nothing had been."""
    line.all_ready(HEALED_SECONDS)
    run = line.push(model, factor)
    line.deployed(run, 90)
    line.answers(model, run)


def newest_is_live(line: FaultLine, model: str, sha: str, factor: float) -> None:
    """Wait until a commit of which nobody was told is deployed and answers."""

    def deployed() -> str:
        with line.seen.tail.read() as ledger:
            push = ledger.line(model).newest_push
            found = push is not None and push.event.commit.sha == sha and ledger.runs[push.event.run_id].outcome == "deployed"
            return push.event.run_id if push is not None and found else ""

    run = until(lambda: deployed() or None, 90, "the outcome of the push")
    line.factors[run] = factor
    line.answers(model, run)


@pytest.mark.timeout(600)
def test_a_frozen_broker_is_named_by_every_service_and_its_thaw_needs_no_restart(line: FaultLine) -> None:
    goes_on(line, "told", 2.0)
    with frozen(line.servers["broker"].pid):
        all_say(line, STAGES, "broker")
    goes_on(line, "told", 3.0)


@pytest.mark.timeout(600)
def test_a_broker_that_is_killed_and_started_again_needs_no_restart_of_a_service(line: FaultLine) -> None:
    line.kill(("broker",))
    all_say(line, STAGES, "broker")
    line.start_again(("broker",))
    goes_on(line, "told", 4.0)


@pytest.mark.timeout(600)
def test_a_push_whose_webhook_came_while_the_broker_was_down_is_answered_503_and_found_by_the_poller(line: FaultLine) -> None:
    line.kill(("broker",))
    sha = line.repositories["polled"].push(repositories.good(5.0))
    status, answer = line.seen.hint("polled", sha)
    assert (status, answer["status"]) == (503, "unknown")
    line.start_again(("broker",))

    newest_is_live(line, "polled", sha, 5.0)


@pytest.mark.timeout(600)
def test_a_frozen_store_is_named_within_seconds_by_the_service_that_needs_it(line: FaultLine) -> None:
    line.all_ready(HEALED_SECONDS)
    run = line.push("told", 6.0, gated=True)
    line.waits_for_the_gate(run)
    with frozen(line.servers["store"].pid):
        repositories.open_gates(line.services["trainer"].work)
        all_say(line, ("trainer",), "store")
    line.deployed(run, 90)
    line.answers("told", run)


@pytest.mark.timeout(600)
def test_a_store_that_is_killed_and_started_again_costs_no_run(line: FaultLine) -> None:
    run = line.push("told", 7.0, gated=True)
    line.waits_for_the_gate(run)
    line.kill(("store",))
    repositories.open_gates(line.services["trainer"].work)
    all_say(line, ("trainer",), "store")
    line.start_again(("store",))

    line.deployed(run, 90)
    line.answers("told", run)


@pytest.mark.timeout(600)
def test_a_trainer_that_was_frozen_past_its_session_changes_nothing_when_it_wakes(line: FaultLine) -> None:
    """Its run is superseded meanwhile; what it says of it when it wakes is in front of nobody's record."""
    twin = line.another("trainer-2", "trainer", [sys.executable, "-m", "tests.faults.twin", "trainer"])
    twin.ready()
    older = line.push("slept", 8.0, gated=True)
    line.waits_for_the_gate(older)
    with line.services["trainer"].frozen():
        sha = line.repositories["slept"].push(repositories.good(9.0))
        newest_is_live(line, "slept", sha, 9.0)
    repositories.open_gates(line.services["trainer"].work)
    repositories.open_gates(twin.work)
    line.all_ready(HEALED_SECONDS)

    assert until(lambda: line.run(older).outcome or None, 60, "the older run's outcome") == "superseded"
    with line.seen.tail.read() as ledger:
        promoted = [entry.event.generation for entry in ledger.line("slept").deployments if entry.event.kind == "promote"]
        newest = ledger.line("slept").newest_push
    assert newest is not None
    assert promoted == [newest.event.generation]
    line.answers("slept", newest.event.run_id)
    twin.kill()
    del line.services["trainer-2"]


@pytest.mark.timeout(600)
def test_topics_made_anew_are_noticed_and_the_next_push_goes_through(line: FaultLine) -> None:
    """Who deletes a topic deletes what it held: the line says so and goes on with what there is, without a restart."""
    goes_on(line, "told", 9.0)
    for factor, names in enumerate(MADE_ANEW, 10):
        made_anew(line, names)
        goes_on(line, "told", float(factor))
    run = line.push("told", 20.0)
    line.deployed(run, 90)
    line.answers("told", run)
    with line.seen.tail.read() as ledger:
        live = {name: known.live_digest for name, known in ledger.models.items() if known.live}

    made_anew(line, ("deployed",))

    all_say(line, ("deployer",), "a replica serves a deploy_seq that the log does not know")
    with line.seen.tail.read() as ledger:
        assert [entry.event.kind for entry in ledger.line("told").deployments] == []
    for name, digest in live.items():
        redeployed(line, name, digest)
    goes_on(line, "told", 21.0)


def redeployed(line: FaultLine, model: str, digest: str) -> None:
    """Its record of training may be one that the line is about to write again, as the topic before was lost too."""
    words = ("redeploy", "--model", model, "--to", digest[:12], "--reason", "the topic was lost")
    until(lambda: line.seen.command(*words).returncode == 0, HEALED_SECONDS, f"a redeploy of {model}")


def made_anew(line: FaultLine, names: tuple[str, ...]) -> None:
    """Delete topics, wait until every stage names one of them, and make them again."""
    with AdminClient({"bootstrap.servers": line.seen.told["kafka"]}) as admin, KafkaTopics(line.seen.told["kafka"]) as topics:
        for future in admin.delete_topics(list(names)).values():
            future.result(30)
        all_say(line, STAGES, names[0])
        until(lambda: names[0] in topics.create() or None, HEALED_SECONDS, f"new topics {names}")
