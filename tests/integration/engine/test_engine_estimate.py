"""What a model is estimated to need holds against what a process with it takes at its height, each in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pushline.engine import estimate
from pushline.engine.litert import LARGEST_BATCH
from pushline.engine.tensorflow import TensorFlow
from tests.fixtures.engine.kinds import PYTHON, Kind, make

LITERT = ("mlp", "two-inputs", "embedding", "vocabulary", "convolution", "photo", "lstm", "large")
TENSORFLOW = ("hashing", "large")
WORDS = 100_000  # of the kind that has a vocabulary
LEAST, MOST = 0.7, 2.0  # parts of what is measured
WORK = """
import re, sys, threading
from pathlib import Path
import numpy as np
from pushline.engine.inputs import concrete
from pushline.engine.litert import LARGEST_BATCH, load

def highest():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def mapped_again():  # pages of a file that is mapped once an interpreter are there once, and counted each time
    resident = {}
    for mapping in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        for path, _, _ in programs:
            if path in mapping.partition("\\n")[0]:
                resident.setdefault(path, []).append(int(re.search(r"Rss:\\s+(\\d+)", mapping)[1]) * 1024)
    return sum(sum(each) - max(each) for each in resident.values())

threads, below, programs = int(sys.argv[1]), int(sys.argv[2]), [word.rpartition(":") for word in sys.argv[3:]]
before = highest()
engine = load([(Path(path), int(batch) or None) for path, _, batch in programs])
engine.warm_up()
together = threading.Barrier(threads)

def spread(shape, dtype):  # over all that may be looked up, as a file that is mapped is there where it was read
    if np.dtype(dtype).kind != "i":
        return np.ones(shape, dtype)
    count = int(np.prod(shape))
    return (np.arange(count) * below // count).astype(dtype).reshape(shape)

def work():
    rows = {spec.name: spread(concrete(spec, LARGEST_BATCH), spec.dtype) for spec in engine.signature.inputs}
    together.wait()
    for _ in range(3):
        engine.run(rows)
    together.wait()

started = [threading.Thread(target=work) for _ in range(threads)]
[thread.start() for thread in started], [thread.join() for thread in started]
print(highest() - before - mapped_again())
"""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    return make(tmp_path_factory.mktemp("kinds"), sorted({*LITERT, *TENSORFLOW}))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", LITERT)
def test_a_program_takes_what_was_estimated(
    kinds: dict[str, Kind], name: str, threads: int, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = kinds[name].programs
    expected = estimate.of_programs([estimate.read_sizes(path, batch or LARGEST_BATCH) for path, batch in programs], threads)

    below = WORDS if name == "vocabulary" else 2
    words = [str(threads), str(below), *[f"{path}:{batch or 0}" for path, batch in programs]]
    told = subprocess.run([sys.executable, "-c", WORK, *words], capture_output=True, text=True, check=True, timeout=100)

    holds(f"{name}, {threads} threads", expected, int(told.stdout), capsys)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TENSORFLOW)
def test_a_model_takes_what_was_estimated(kinds: dict[str, Kind], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = kinds[name]
    expected = estimate.of_model(kind.model.stat().st_size)

    engine = TensorFlow(PYTHON).open(kind.model)
    engine.warm_up()
    engine.run(kind.rows(100))
    measured = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{engine.pid}/status").read_text())
    engine.close()

    assert measured
    holds(f"{name}, TensorFlow", expected, int(measured[1]) * 1024, capsys)


def holds(what: str, expected: int, measured: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        figures = f"{expected / 2**20:7.1f} MiB estimated, {measured / 2**20:7.1f} measured, {expected / measured:.2f}"
        sys.stdout.write(f"\n  {what:24s} {figures}")
    assert LEAST * measured <= expected <= MOST * measured


def test_what_is_only_looked_up_is_there_once(kinds: dict[str, Kind]) -> None:
    ((path, _),) = kinds["vocabulary"].programs
    sizes = estimate.read_sizes(path, LARGEST_BATCH)

    assert sizes.packed < 2**20 < 20 * 2**20 < sizes.file
    assert np.isclose(estimate.of_programs([sizes], 8), estimate.of_programs([sizes], 1), rtol=0.5)
