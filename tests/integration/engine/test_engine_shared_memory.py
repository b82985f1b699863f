"""Large batches reach TensorFlow through shared memory: the same answers as through the socket, and nothing is left behind."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pushline.engine.tensorflow import TensorFlow, TensorFlowEngine
from pushline.engine.tensorflow_process import Limits
from tests.fixtures.engine.kinds import PYTHON, Kind, make
from tests.waiting import until

SECONDS = 60.0
NAME = "memfd:pushline-tensors"
ROOMS = {
    "all shared": Limits(),
    "as much as fits": replace(Limits(), shared_bytes=1 << 20),
    "socket": replace(Limits(), shared_bytes=0),
}
ROWS = (1, 3, 17, 64)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """Images of 600 KB, and a model that LiteRT cannot run."""
    return make(tmp_path_factory.mktemp("kinds"), ["hashed-photo"])["hashed-photo"]


@pytest.fixture(scope="module", params=ROOMS)
def engine(photo: Kind, request: pytest.FixtureRequest) -> Iterator[TensorFlowEngine]:
    opened = TensorFlow(PYTHON, ROOMS[request.param]).open(photo.model)
    yield opened
    opened.close()


def right(engine: TensorFlowEngine, photo: Kind, rows: int) -> bool:
    got, want = engine.run(photo.rows(rows))["thing"].astype("float64"), photo.answers[rows]["thing"].astype("float64")
    return got.shape == want.shape and bool(np.all(np.abs(got - want) <= 1e-5 * np.maximum(1, np.abs(want))))


@pytest.mark.timeout(300)
def test_it_answers_as_keras_did_from_several_threads_at_once(engine: TensorFlowEngine, photo: Kind) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda rows: right(engine, photo, rows), ROWS * 4))


@pytest.mark.timeout(300)
def test_an_answer_stays_what_it_was_when_the_next_one_comes(engine: TensorFlowEngine, photo: Kind) -> None:
    first = engine.run(photo.rows(3))["thing"]
    kept = first.copy()
    engine.run({name: array[50:] for name, array in photo.inputs.items()})

    assert np.array_equal(first, kept)
    first[0] = 0  # the caller's own


@pytest.mark.timeout(300)
def test_nothing_is_left_of_it_after_a_kill(photo: Kind) -> None:
    code = (
        "import sys, threading, numpy; from pathlib import Path; from pushline.engine.tensorflow import TensorFlow\n"
        "engine = TensorFlow(Path(sys.argv[1])).open(Path(sys.argv[2]))\n"
        "engine.run({'image': numpy.ones((20, 224, 224, 3), 'float32'), 'camera': numpy.ones((20, 1), 'int32')})\n"
        "print(engine.pid, flush=True); threading.Event().wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(PYTHON), str(photo.model)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert holds(parent.pid)
        assert holds(child)
        parent.kill()

    until(lambda: not holds(child), SECONDS, "the child to let go")


def test_a_closed_engine_lets_go(photo: Kind) -> None:
    before = descriptors()
    opened = TensorFlow(PYTHON).open(photo.model)
    assert descriptors() > before

    opened.close()

    assert descriptors() == before


def holds(pid: int) -> bool:
    try:
        return NAME in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def descriptors() -> int:
    """Of memory that this process shares."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += NAME in str(link.readlink())
        except FileNotFoundError:  # the one that lists them
            continue
    return count
