"""Hot reload: no request fails or waits, every answer comes from one model, and what cannot be loaded changes nothing."""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.client import Client, Unavailable
from pushline.line.events import ModelDeployed
from pushline.line.memory import Fate
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.predictor.deploying import DOUBLE, TRIPLE, Line
from tests.fixtures.predictor.load import under_load
from tests.fixtures.predictor.running import a_line, open_inference, reports, running, serves, wait_for, wait_until_sure

SWAPS = 30
X = [[1.0, 2.0, 3.0, 4.0]]


def test_swaps_under_load_fail_nothing_and_mix_nothing(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        with under_load(service) as load:
            wait_for(lambda: len(load.answers) > 0, "a first answer")
            for number in range(2, SWAPS + 2):
                line.deploy(TRIPLE if number % 2 == 0 else DOUBLE)
                wait_until_sure(service, number)
                enough = len(load.answers) + 5
                wait_for(lambda enough=enough: len(load.answers) >= enough, "more answers")  # type: ignore[misc]

    assert load.failures == []
    right = {seq: (3.0, 6.0, 9.0) if seq % 2 == 0 else (2.0, 4.0, 6.0) for seq in range(1, SWAPS + 2)}
    assert all(y == right[seq] for seq, y in load.answers)
    assert len({seq for seq, _ in load.answers}) == SWAPS + 1


def test_a_burst_is_skipped_to_its_newest(tmp_path: Path) -> None:
    line, log, store = a_line()
    with running(tmp_path, log, store) as service:
        for _ in range(200):
            line.deploy(DOUBLE)
        wait_until_sure(service, 200)
        wait_for(lambda: bool(reports(log)) and reports(log)[-1].deploy_seq == 200, "the report of the last")

    assert len(reports(log)) <= 20


BURST, BURST_SECONDS, MOST_LOADS = 1000, 2.0, 5


def test_a_thousand_records_in_two_seconds_are_few_loads_and_end_on_the_last(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        serving = [line.upload("numbers", number, program, "classification", ()) for number, program in ((2, DOUBLE), (3, TRIPLE))]
        began = time.monotonic()
        for number in range(BURST):
            late = began + number * BURST_SECONDS / BURST - time.monotonic()
            threading.Event().wait(max(0.0, late))  # the burst is what is tested: it takes its time
            line.redeploy(serving[number % 2])
        wait_until_sure(service, BURST + 1)
        wait_for(lambda: reports(log)[-1].deploy_seq == BURST + 1, "the report of the last")

    loads = [each for each in reports(log) if each.deploy_seq > 1]
    sys.stdout.write(f"\n{BURST} records in {BURST_SECONDS:g} s: {len(loads)} loads\n")
    assert len(loads) <= MOST_LOADS


def test_a_rollback_needs_neither_store_nor_disk_nor_a_new_engine(tmp_path: Path) -> None:
    line, log, store = a_line()
    first = line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        wait_until_sure(service, 1)
        before = service.models.current("numbers")
        line.deploy(TRIPLE)
        wait_until_sure(service, 2)
        wait_for(lambda: service.residents.spare == {"numbers"}, "the first one to be spare")
        store.set_unavailable(True)
        shutil.rmtree(tmp_path / "numbers" / "files")

        line.rollback(first)
        wait_until_sure(service, 3)
        answer, now = client.predict(X), service.models.current("numbers")

    assert (answer.deploy_seq, answer.digest, answer.y.tolist()) == (3, first.digest, [[2, 4, 6]])
    assert before is not None
    assert now is not None
    assert now.engine is before.engine


def test_without_the_one_before_a_rollback_opens_it_again(tmp_path: Path) -> None:
    line, log, store = a_line()
    first = line.deploy(DOUBLE)
    with running(tmp_path, log, store, keep_previous="no") as service:
        wait_until_sure(service, 1)
        before = service.models.current("numbers")
        line.deploy(TRIPLE)
        wait_until_sure(service, 2)

        line.rollback(first)
        wait_until_sure(service, 3)

        now = service.models.current("numbers")
        assert not service.residents.spare
    assert before is not None
    assert now is not None
    assert now.engine is not before.engine


def test_after_a_swap_the_first_request_is_as_quick_as_it_was_before(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        wait_until_sure(service, 1)
        client.predict(X * 7)
        before = service.models.current("numbers")
        line.deploy(TRIPLE)
        wait_until_sure(service, 2)

        now = service.models.current("numbers")
        assert before is not None
        assert now is not None
        rows = {shape[0] for form in now.engine.forms for _, _, shape in form}
        assert rows >= {1, 7}
        (((name, dtype, shape),), *_) = now.engine.forms
        assert now.pace.seconds_a_row(((name, dtype, shape[1:]),)) is not None


def test_each_start_and_change_is_told_once(tmp_path: Path) -> None:
    line, log, store = a_line()
    first = line.deploy(DOUBLE)
    for number in (1, 2):
        with running(tmp_path, log, store) as service:
            wait_until_sure(service, number)
            if number == 1:
                line.deploy(TRIPLE)
                wait_until_sure(service, 2)

    told = reports(log)
    assert [(served.deploy_seq, served.state) for served in told] == [(1, "serving"), (2, "serving"), (2, "serving")]
    assert (told[0].run_id, told[0].digest, told[0].commit) == (first.run_id, first.digest, first.commit)
    assert told[0].start == told[1].start != told[2].start
    assert {served.replica for served in told} == {"one"}


def test_a_hold_is_followed_without_a_gap(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        line.hold()
        wait_until_sure(service, 2)

        with Client(f"127.0.0.1:{service.door.port}") as client:
            assert client.predict(X).y.tolist() == [[2, 4, 6]]


Spoil = Callable[[Line, MemoryStore], ModelDeployed]


def a_program_that_is_none(line: Line, _: MemoryStore) -> ModelDeployed:
    return line.deploy(b"no flatbuffer at all")


def a_manifest_that_is_none(line: Line, store: MemoryStore) -> ModelDeployed:
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    sha256 = store.put_bytes("anywhere", b"[]").sha256
    store.put_bytes(keys.manifest("numbers", serving.run_id, sha256), b"[]")
    return line.append(line.promote("numbers", replace(serving, manifest_sha256=sha256)))


def a_manifest_of_another_run(line: Line, store: MemoryStore) -> ModelDeployed:
    other = line.upload("numbers", 7, TRIPLE, "classification", ())
    content = store.read_bytes(keys.manifest("numbers", other.run_id, other.manifest_sha256))
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    store.put_bytes(keys.manifest("numbers", serving.run_id, other.manifest_sha256), content)
    return line.append(line.promote("numbers", replace(serving, manifest_sha256=other.manifest_sha256)))


def no_program_among_the_files(line: Line, _: MemoryStore) -> ModelDeployed:
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    return line.append(line.promote("numbers", replace(serving, files=serving.files[:1])))


def a_missing_object(line: Line, _: MemoryStore) -> ModelDeployed:
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    gone = replace(serving.files[1], sha256="0" * 64)
    return line.append(line.promote("numbers", replace(serving, files=(serving.files[0], gone))))


def other_bytes_under_the_key(line: Line, store: MemoryStore) -> ModelDeployed:
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    store.put_bytes(keys.model_file("numbers", serving.files[1].sha256, "program.tflite"), DOUBLE)
    return line.append(line.promote("numbers", serving))


def no_digest(line: Line, _: MemoryStore) -> ModelDeployed:
    serving = line.upload("numbers", 2, TRIPLE, "classification", ())
    return line.append(line.promote("numbers", replace(serving, manifest_sha256="../../etc/passwd")))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (a_program_that_is_none, "bad_program"),
        (a_manifest_that_is_none, "bad_manifest"),
        (a_manifest_of_another_run, "bad_manifest"),
        (no_program_among_the_files, "bad_manifest"),
        (a_missing_object, "object_missing"),
        (other_bytes_under_the_key, "digest_mismatch"),
        (no_digest, "bad_record"),
    ],
)
def test_a_bad_model_changes_nothing_is_reported_once_and_does_not_stop_the_next(tmp_path: Path, spoil: Spoil, reason: str) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        wait_until_sure(service, 1)

        bad = spoil(line, store)
        wait_for(lambda: any(served.state == "failed" for served in reports(log)), "a report of the failure")
        kept = client.predict(X)
        line.deploy(TRIPLE)
        wait_until_sure(service, 3)
        after = client.predict(X)

    failed = [served for served in reports(log) if served.state == "failed"]
    assert [(served.deploy_seq, served.digest, served.reason) for served in failed] == [
        (2, bad.digest, f"activation_failed({reason})")
    ]
    assert failed[0].sentence
    assert (kept.deploy_seq, kept.y.tolist(), kept.stale) == (1, [[2, 4, 6]], True)
    assert (after.deploy_seq, after.y.tolist(), after.stale) == (3, [[3, 6, 9]], False)


def test_a_store_that_is_away_is_waited_out(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        serving = line.upload("numbers", 2, TRIPLE, "classification", ())
        store.set_unavailable(True)
        line.append(line.promote("numbers", serving))
        wait_for(lambda: any(served.state == "failed" for served in reports(log)), "a report of the failure")
        assert serves(service, 1)

        store.set_unavailable(False)
        wait_until_sure(service, 2)


def test_a_broker_that_goes_away_makes_answers_stale_and_reports_wait(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        wait_for(lambda: len(reports(log)) == 1, "the first report")

        log.set_unavailable(True)
        wait_for(lambda: service.models.is_stale("numbers"), "stale")
        assert serves(service, 1)
        log.set_unavailable(False)
        wait_until_sure(service, 1)


def test_an_unknown_append_is_said_again(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    log.fail_next(Fate.LOST, Fate.LOST)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        wait_for(lambda: len(reports(log)) == 1, "the report")


def test_before_anything_is_deployed_callers_are_told_to_come_back(tmp_path: Path) -> None:
    line, log, store = a_line()
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        with pytest.raises(Unavailable, match="nothing is deployed yet"):
            client.predict(X)
        assert not service.health.ready

        line.deploy(DOUBLE)
        wait_until_sure(service, 1)
        assert client.predict(X).y.tolist() == [[2, 4, 6]]
        assert service.health.ready


def test_models_that_are_not_asked_for_are_left_alone(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE, model="other")
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, models="numbers") as service, open_inference(service):
        wait_until_sure(service, 1)

        assert service.models.names() == ["numbers"]


def test_several_models_are_served_side_by_side(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE, model="two")
    line.deploy(TRIPLE, model="three")
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        wait_until_sure(service, 1, "two")
        wait_until_sure(service, 1, "three")

        assert client.predict(X, model="two").y.tolist() == [[2, 4, 6]]
        assert client.predict(X, model="three").y.tolist() == [[3, 6, 9]]
