"""Starting from the disk: with broker and store away, with a damaged copy, with a log that lost something."""

import shutil
from pathlib import Path

import pytest

from pushline.client import Client
from pushline.line.memory import MemoryLog
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.predictor.deploying import DOUBLE, TRIPLE, Line
from tests.fixtures.predictor.running import a_line, reports, running, serves, wait_for, wait_until_sure

X = [[1.0, 2.0, 3.0, 4.0]]


@pytest.fixture
def served_before(tmp_path: Path) -> tuple[Line, MemoryLog, MemoryStore]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
    return line, log, store


Before = tuple[Line, MemoryLog, MemoryStore]


def test_with_broker_and_store_away_it_serves_what_it_served_and_says_stale(tmp_path: Path, served_before: Before) -> None:
    line, log, store = served_before
    log.set_unavailable(True)
    store.set_unavailable(True)
    with running(tmp_path, log, store) as service, Client(f"127.0.0.1:{service.door.port}") as client:
        answer = client.predict(X)
        assert (answer.deploy_seq, answer.commit, answer.stale) == (1, line.newest["numbers"].commit.sha, True)
        assert answer.y.tolist() == [[2, 4, 6]]
        assert service.health.ready

        log.set_unavailable(False)
        wait_until_sure(service, 1)
        assert not client.predict(X).stale
        store.set_unavailable(False)
        line.deploy(TRIPLE)
        wait_until_sure(service, 2)
        wait_for(lambda: reports(log)[-1].deploy_seq == 2, "the report")

    assert [served.deploy_seq for served in reports(log)] == [1, 1, 2]


def test_with_the_store_alone_away_it_is_not_stale(tmp_path: Path, served_before: Before) -> None:
    _, log, store = served_before
    store.set_unavailable(True)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)


@pytest.mark.parametrize("what", ["program", "manifest", "state", "everything"])
def test_a_damaged_copy_is_not_served_but_fetched_again(tmp_path: Path, served_before: Before, what: str) -> None:
    line, log, store = served_before
    damage(tmp_path / "numbers", line, what)
    log.set_unavailable(True)
    with running(tmp_path, log, store) as service:
        assert service.models.current("numbers") is None

        log.set_unavailable(False)
        wait_until_sure(service, 1)
        with Client(f"127.0.0.1:{service.door.port}") as client:
            assert client.predict(X).y.tolist() == [[2, 4, 6]]


def damage(folder: Path, line: Line, what: str) -> None:
    serving = line.newest["numbers"].serving[0]
    if what == "everything":
        shutil.rmtree(folder)
        return
    paths = {
        "program": folder / "files" / serving.files[1].sha256,
        "manifest": folder / "files" / serving.manifest_sha256,
        "state": folder / "state.json",
    }
    content = bytearray(paths[what].read_bytes())
    content[len(content) // 2] ^= 1
    paths[what].write_bytes(content)


def test_a_log_that_lacks_its_record_is_served_against_and_the_line_is_told(tmp_path: Path, served_before: Before) -> None:
    _, __, store = served_before
    empty = MemoryLog()
    with running(tmp_path, empty, store) as service:
        wait_for(lambda: len(reports(empty)) == 1, "its report")
        wait_for(lambda: service.tail.problem == "", "the log is read")

        assert service.models.is_stale("numbers")
        assert serves(service, 1)

    assert reports(empty)[0].deploy_seq == 1


def test_a_log_that_went_back_is_not_followed_back_even_without_a_copy(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    line.deploy(TRIPLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 2)
    restored, shorter = Line(MemoryLog(), store), line.newest["numbers"]
    restored.deploy(DOUBLE)
    shutil.rmtree(tmp_path / "numbers" / "files")

    with running(tmp_path, restored.log, store) as service:
        wait_for(lambda: service.tail.problem == "", "the log is read")
        assert service.models.current("numbers") is None
        restored.append(shorter)
        wait_until_sure(service, 2)


def test_models_not_asked_for_any_more_are_not_served_from_the_disk(tmp_path: Path, served_before: Before) -> None:
    _, log, store = served_before
    with running(tmp_path, log, store, models="other") as service:
        assert service.models.current("numbers") is None
