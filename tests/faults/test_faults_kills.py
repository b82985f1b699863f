"""Promises 1 to 3 and 12: what was answered 202 ends once, whoever is killed and when; a repeat changes nothing."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

import pytest

from pushline.line.ledger import Ledger
from pushline.line.records import Record
from pushline.line.snapshot_file import NAME
from tests.faults import repositories
from tests.faults.evidence import Objects, all_records, copy_of, digest, events_of, folded, interleaved, report, seeded
from tests.faults.offsets import FAR_BEYOND, Offsets
from tests.faults.places import Place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line
from tests.waiting import until

SEED = 20
PARTITIONS = 4
ROUNDS = 4
KILLED = tuple(f"killed-{number}" for number in range(4))
SERVICES = ("trainer", "evaluator", "deployer", "predictor")
MOMENTS = ("commit", "trained", "evaluated", "deployed")
ONCE = {"CommitPushed": 1, "ModelTrained": 1, "ModelEvaluated": 1, "promote": 1}
INTERLEAVINGS = 200


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    models = {**dict.fromkeys((*KILLED, "staged"), ""), "polled": 'reconcile_interval = "1s"\n'}
    wish = Wish(models, stub_python, environ={"PUSHLINE_MAX_TRAININGS": "2"})
    with fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


def test_a_push_whose_webhook_never_comes_is_found_by_looking(line: FaultLine) -> None:
    line.repositories["polled"].push(repositories.good(2.0))
    run = newest_run(line, "polled")
    line.factors[run] = 2.0

    line.deployed(run)
    line.answers("polled", run)


def pushed_at_once(line: FaultLine, factor: float, kill_after: int) -> dict[str, str]:
    """Push to every model at once; kill all services when so many were answered 202. Give model → run of those answered."""
    shas = {model: line.repositories[model].push(repositories.good(factor)) for model in KILLED}
    answered: dict[str, str] = {}
    enough = threading.Event()

    def hint(model: str) -> None:
        try:
            status, answer = line.seen.hint(model, shas[model])
        except (OSError, HTTPException, ValueError):  # the answer broke off
            return
        if status == 202:
            answered[model] = answer["run_id"]
            if len(answered) >= kill_after:
                enough.set()

    threads = [threading.Thread(target=hint, args=(model,)) for model in KILLED]
    for thread in threads:
        thread.start()
    assert enough.wait(30)
    line.kill()
    for thread in threads:
        thread.join(30)
    return answered


def newest_run(line: FaultLine, model: str) -> str:
    sha = line.repositories[model].git("rev-parse", "HEAD")

    def found(ledger: Ledger) -> str | None:
        newest = ledger.line(model).newest_push
        return newest.event.run_id if newest and newest.event.commit.sha == sha else None

    return line.seen.tail.wait_until(found, 30)


@pytest.mark.timeout(600)
def test_what_was_answered_202_outlives_the_kill_of_every_service_at_once(line: FaultLine, say: Callable[[str], None]) -> None:
    chance, answered = seeded(SEED), list[str]()
    for turn in range(ROUNDS):
        now = pushed_at_once(line, 3.0 + turn, kill_after=chance.randint(1, len(KILLED)))
        known = folded(all_records(line.seen.log), 4).runs
        assert set(now.values()) <= set(known), "answered 202, and not in the log"
        answered += now.values()
        line.factors |= dict.fromkeys(now.values(), 3.0 + turn)
        line.start()
    for run in answered:
        assert line.seen.ended(run, 90).outcome in ("deployed", "superseded")
    for model in KILLED:
        head = newest_run(line, model)  # of the last round, whether its webhook was answered or not
        line.factors[head] = 3.0 + ROUNDS - 1
        line.deployed(head, 90)
        line.answers(model, head)

    say(report("all-services-killed-after-202", len(answered), 0, SEED, rounds=ROUNDS))


@pytest.mark.timeout(600)
def test_a_service_killed_at_any_stage_of_a_run_leaves_one_outcome_and_the_right_model(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    chance = seeded(SEED)
    pairs = [(service, moment) for service in SERVICES for moment in MOMENTS]
    trials = [pair for number, pair in enumerate(pairs) if (number + number // len(MOMENTS)) % 2 == 0]  # each of both twice
    chance.shuffle(trials)
    for number, (service, moment) in enumerate(trials):
        run = line.push("staged", 10.0 + number)
        line.reached(run, moment)
        line.services[service].kill()
        line.start((service,))
        line.deployed(run)
        line.answers("staged", run)
        line.reached(run, "served")
        assert dict(events_of(all_records(line.seen.log), run)) == {**ONCE, "ModelServed": 1}, (service, moment)

    say(report("service-killed-at-a-stage", len(trials), 0, SEED))


def test_a_trainer_killed_while_a_script_runs_trains_again_and_leaves_no_process(line: FaultLine) -> None:
    run = line.push("staged", 50.0, gated=True)
    trainer = line.services["trainer"]
    line.waits_for_the_gate(run)

    trainer.kill()
    line.no_sandbox_left()
    line.start(("trainer",))
    line.waits_for_the_gate(run)
    repositories.open_gates(trainer.work)

    line.deployed(run)
    line.answers("staged", run)
    assert events_of(all_records(line.seen.log), run)["ModelTrained"] == 1
    until(lambda: not list((trainer.work / "trainings").iterdir()), 10, "no folder of a training, the killed one's neither")


def test_every_record_sent_again_in_any_order_makes_no_run_and_no_deployment(line: FaultLine, say: Callable[[str], None]) -> None:
    before = all_records(line.seen.log)
    state = digest(folded(before, 4))
    copies = [copy_of(record) for record in before]
    seeded(SEED).shuffle(copies)

    for copy in copies:
        line.seen.log.append(copy)
    line.seen.tail.catch_up(30)
    with line.seen.tail.read() as ledger:
        assert digest(ledger) == state
    last = line.push("staged", 60.0)  # when it is served, everything in front of it was looked at
    line.deployed(last)
    line.reached(last, "served")
    line.answers("staged", last)

    after = all_records(line.seen.log)
    ids = {dict(record.headers)["ce_id"] for record in before}
    new = [record for record in after if dict(record.headers)["ce_id"] not in ids]
    assert len(after) == 2 * len(before) + len(new)
    assert dict(events_of(new, last)) == {**ONCE, "ModelServed": 1}
    assert len(new) == 5
    say(report("records-sent-again", len(copies), 0, SEED))


def test_the_log_read_in_any_order_of_its_topics_is_one_state(line: FaultLine, say: Callable[[str], None]) -> None:
    records = all_records(line.seen.log)  # fails where an offset from 0 on is missing
    line.seen.tail.catch_up(30)
    chance = seeded(SEED)

    states = {digest(folded(interleaved(records, chance), 4)) for _ in range(INTERLEAVINGS)}

    with line.seen.tail.read() as ledger:
        assert states == {digest(ledger)}
    say(report("replay-in-any-order", INTERLEAVINGS, 0, SEED, records=len(records)))


def stopped(line: FaultLine) -> None:
    """Stop the services in good order: each stage leaves a snapshot."""
    for service in line.services.values():
        service.ask_to_stop()
    for service in line.services.values():
        assert service.exit_code() == 0


def snapshots_of(line: FaultLine) -> list[Path]:
    return [line.services[stage].work / "snapshots" / NAME for stage in STAGES]


def a_restart_adds_nothing_but_served(line: FaultLine, meanwhile: Callable[[], None]) -> None:
    """Do something to a line that is down, start it, and hold what it is then against what it was."""
    models = (*KILLED, "staged", "polled")
    before, objects = all_records(line.seen.log), Objects(line.seen.store).of(models)
    meanwhile()
    line.start()
    line.services["predictor"].ready()
    with line.seen.tail.read() as ledger:
        state = {model: ledger.line(model).live_digest for model in models}
    line.seen.tail.wait_until(lambda ledger: ledger.counts[("served", "valid")] >= _served(before) + len(models) or None, 30)
    line.seen.tail.catch_up(30)

    after = all_records(line.seen.log)
    ids = {(record.topic, record.partition, record.offset) for record in before}
    new = [record for record in after if (record.topic, record.partition, record.offset) not in ids]
    assert {record.topic for record in new} == {"served"}
    assert Objects(line.seen.store).of(models) == objects
    with line.seen.tail.read() as ledger:
        assert {model: ledger.line(model).live_digest for model in models} == state


@pytest.mark.timeout(600)
def test_with_offsets_snapshots_caches_and_work_folders_gone_a_restart_adds_nothing_but_served(
    line: FaultLine, place: Place
) -> None:
    stopped(line)
    assert all(path.is_file() for path in snapshots_of(line))
    offsets = Offsets(place, PARTITIONS)

    def all_gone() -> None:
        if place.is_real:
            offsets.delete()
            assert set(offsets.committed().values()) == {0}
        for service in line.services.values():
            shutil.rmtree(service.work)
            service.work.mkdir()

    a_restart_adds_nothing_but_served(line, all_gone)


@pytest.mark.timeout(600)
def test_offsets_set_to_0_or_far_beyond_the_end_and_a_start_from_snapshots_add_nothing_but_served(
    line: FaultLine, place: Place
) -> None:
    if not place.is_real:
        return  # the embedded broker knows no such calls
    offsets = Offsets(place, PARTITIONS)
    for wrong in (0, FAR_BEYOND):
        stopped(line)
        a_restart_adds_nothing_but_served(line, lambda wrong=wrong: offsets.set(wrong))  # type: ignore[misc]
        assert not any('"snapshot"' in line.services[stage].log.read_text() for stage in STAGES)


def _served(records: Sequence[Record]) -> int:
    return sum(record.topic == "served" for record in records)
