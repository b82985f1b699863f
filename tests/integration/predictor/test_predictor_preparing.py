"""Models are prepared in a child: what is prepared there, what ends it, and that the predictor goes on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pushline.line.memory import MemoryLog
from pushline.objects.minio_store import MinioStore
from pushline.predictor.adapters.memory import PROC, resident
from pushline.predictor.adapters.preparer import Preparer
from pushline.predictor.errors import LoadPostponed, LoadRefused
from pushline.predictor.prepared import ModelFiles
from pushline.predictor.process import preparer
from pushline.predictor.service import Service
from pushline.predictor.settings import Settings
from tests.fixtures.predictor.deploying import DOUBLE, ENDLESS, TRIPLE, Line
from tests.fixtures.predictor.running import QUIET, reports, serves, settings, wait_for, wait_until_sure
from tests.servers import StoreAddress


def told(cache: Path, store: StoreAddress) -> Settings:
    names = {"endpoint": "s3_endpoint", "bucket": "s3_bucket", "access_key": "s3_access_key", "secret_key": "s3_secret_key"}
    return settings(cache, **{ours: getattr(store, theirs) for theirs, ours in names.items()})


@pytest.fixture
def line(store_settings: StoreAddress) -> Line:
    return Line(MemoryLog(), MinioStore(*store_settings))


@pytest.fixture
def preparing(tmp_path: Path, store_settings: StoreAddress) -> Iterator[Preparer]:
    made = preparer(told(tmp_path / "cache", store_settings))
    yield made
    made.close()


@contextmanager
def served(cache: Path, log: MemoryLog, preparing: Preparer, store: StoreAddress) -> Iterator[Service]:
    service = Service(told(cache, store), log, preparing, QUIET)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def files(line: Line, program: bytes) -> ModelFiles:
    return ModelFiles.of("numbers", line.upload("numbers", 1, program, "classification", ("a", "b")))


def test_what_is_prepared_lies_verified_on_this_disk(line: Line, preparing: Preparer, tmp_path: Path) -> None:
    wanted = files(line, DOUBLE)

    prepared = preparing.prepare(wanted)
    preparing.try_out(prepared)

    ((path, batch),) = prepared.files
    assert path == tmp_path / "cache" / "numbers" / "files" / wanted.files[1].sha256
    assert (path.read_bytes(), batch) == (DOUBLE, None)
    assert (prepared.engine, prepared.task, prepared.labels) == ("litert", "classification", ("a", "b"))
    assert prepared.needed_bytes > len(DOUBLE)


def test_a_refusal_keeps_its_reason_and_its_sentence(line: Line, preparing: Preparer) -> None:
    with pytest.raises(LoadRefused, match="no LiteRT flatbuffer") as told:
        preparing.prepare(files(line, b"no flatbuffer at all"))

    assert told.value.reason == "bad_program"


def test_the_child_gives_way_to_everybody(line: Line, preparing: Preparer) -> None:
    preparing.prepare(files(line, DOUBLE))

    (pid,) = preparing.pids
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert (PROC / str(pid) / "oom_score_adj").read_text() == "1000\n"
    assert os.getpgid(pid) == pid


def test_at_rest_there_is_no_child(line: Line, tmp_path: Path, store_settings: StoreAddress) -> None:
    preparing = preparer(told(tmp_path / "cache", store_settings), idle_seconds=0.0)
    preparing.prepare(files(line, DOUBLE))
    (pid,) = preparing.pids

    preparing.rest()

    assert preparing.pids == []
    wait_for(lambda: ended(preparing, pid), "the end of the child")
    preparing.close()


def test_a_child_ends_with_a_parent_that_was_killed() -> None:
    module = "pushline.predictor.adapters.preparer"
    script = f"from {module} import Child; child = Child({{}}); print(child.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert resident(PROC, pid) > 0
        parent.kill()

    wait_for(lambda: not resident(PROC, pid), "the end of the child")


def ended(preparing: Preparer, pid: int) -> bool:
    preparing.rest()
    return not (PROC / str(pid)).exists()


def test_a_child_that_is_killed_costs_one_try_and_the_old_model_serves_on(
    line: Line, preparing: Preparer, tmp_path: Path, store_settings: StoreAddress
) -> None:
    line.deploy(DOUBLE)
    log = line.log
    assert isinstance(log, MemoryLog)
    with served(tmp_path / "cache", log, preparing, store_settings) as service:
        wait_until_sure(service, 1)
        (pid,) = preparing.pids
        os.kill(pid, signal.SIGSTOP)
        line.deploy(TRIPLE)
        wait_for(lambda: bool(preparing._busy), "the child to be asked")
        assert serves(service, 1)
        os.kill(pid, signal.SIGKILL)

        wait_until_sure(service, 2)

        assert pid not in preparing.pids
    assert [told.state for told in reports(log)] == ["serving", "serving"]


@pytest.mark.parametrize(
    ("crash", "reason"), [(signal.SIGSEGV, "program_crashed"), (signal.SIGABRT, "program_crashed"), (0, "warm_up")]
)
def test_a_hostile_program_ends_the_child_alone_and_the_line_is_told(
    line: Line, tmp_path: Path, store_settings: StoreAddress, crash: int, reason: str
) -> None:
    preparing = preparer(told(tmp_path / "cache", store_settings), try_cpu_seconds=30.0 if crash else 0.2)
    line.deploy(DOUBLE)
    log = line.log
    assert isinstance(log, MemoryLog)
    with served(tmp_path / "cache", log, preparing, store_settings) as service:
        wait_until_sure(service, 1)
        (pid,) = preparing.pids
        line.deploy(ENDLESS)
        if crash:
            wait_for(lambda: runs_native_code(pid), "the program to run")
            os.kill(pid, crash)

        wait_for(lambda: any(each.state == "failed" for each in reports(log)), "the report")
        assert serves(service, 1)
        line.deploy(TRIPLE)
        wait_until_sure(service, 3)
    (failed,) = [each for each in reports(log) if each.state == "failed"]
    assert (failed.deploy_seq, failed.reason) == (2, f"activation_failed({reason})")
    assert failed.sentence.startswith("the serving program ")


def runs_native_code(pid: int) -> bool:
    """It has used more of the processor by now than all before its endless run takes."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) > 2 * os.sysconf("SC_CLK_TCK")


def test_while_one_child_is_slow_another_model_is_prepared(line: Line, preparing: Preparer) -> None:
    preparing.prepare(files(line, DOUBLE))
    (pid,) = preparing.pids
    os.kill(pid, signal.SIGSTOP)
    slow = threading.Thread(target=lambda: preparing.prepare(files(line, DOUBLE)))
    slow.start()
    wait_for(lambda: bool(preparing._busy), "the child to be asked")

    preparing.prepare(files(line, TRIPLE))

    assert slow.is_alive()
    os.kill(pid, signal.SIGCONT)
    slow.join(20)
    assert not slow.is_alive()


def test_a_child_that_cannot_start_is_said_and_tried_again(
    line: Line, preparing: Preparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = files(line, DOUBLE)
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", "/nonexistent/python")
        with pytest.raises(LoadPostponed, match="no process can be started that prepares it: No such file"):
            preparing.prepare(wanted)

    assert preparing.prepare(wanted).task == "classification"
