"""A model that does not fit into memory is not loaded: the line is told, and what serves goes on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pushline.client import Client
from pushline.predictor.adapters.memory import PROC, resident
from pushline.predictor.room import MIB
from pushline.predictor.service import Service
from tests.fixtures.engine.kinds import PYTHON, Kind, make
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.deploying_kinds import upload
from tests.fixtures.predictor.running import a_line, reports, running, wait_until_sure
from tests.waiting import until

SECONDS = 60.0
ROOM_MIB = 100  # more than a small program needs; less than 50 MB of weights twice, and than TensorFlow


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    return make(tmp_path_factory.mktemp("kinds"), ["large", "hashing"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["large", "hashing"])
def test_it_is_refused_reported_and_served_by_a_replica_that_has_more(tmp_path: Path, kinds: dict[str, Kind], name: str) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    next_one = upload(line, kinds[name], "numbers")
    limit = resident(PROC, os.getpid()) // MIB + ROOM_MIB
    with running(tmp_path / "small", log, store, memory=f"{limit}MiB", tensorflow_python=str(PYTHON)) as service:
        wait_until_sure(service, 1)
        line.append(line.promote("numbers", next_one))
        until(lambda: any(each.state == "failed" for each in reports(log)), SECONDS, "the report")

        assert service.models.current("numbers").identity.deploy_seq == 1  # type: ignore[union-attr] # it is there
        with Client(f"127.0.0.1:{service.door.port}") as client:
            assert np.allclose(client.predict([[1.0, 2.0, 3.0, 4.0]], model="numbers").y, [[2, 4, 6]])
    (told,) = [each for each in reports(log) if each.state == "failed"]
    assert (told.deploy_seq, told.reason) == (2, "activation_failed(memory)")
    assert "the model needs about" in told.sentence
    assert f"of the {limit} MiB that PUSHLINE_MEMORY allows" in told.sentence

    with running(tmp_path / "large", log, store, memory="8GiB", tensorflow_python=str(PYTHON)) as service:
        until(lambda: serves_equal(service, kinds[name]), SECONDS, "the second one to be served")


def serves_equal(service: Service, kind: Kind) -> bool:
    loaded = service.models.current("numbers")
    if loaded is None or loaded.identity.deploy_seq != 2:
        return False
    got, want = loaded.engine.run(kind.rows(3)), kind.answers[3]
    return all(np.allclose(np.asarray(got[name], "f8"), np.asarray(answer, "f8"), 1e-5, 1e-5) for name, answer in want.items())


def test_a_child_counts_as_memory_of_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        own, together = resident(PROC, child.pid), resident(PROC, os.getpid())
        child.communicate(b"\n")

    assert own > 4 * MIB
    assert together - resident(PROC, os.getpid()) > own / 2
