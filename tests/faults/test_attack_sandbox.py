"""A hostile script against the sandbox's own protocol: it may speak in the supervisor's place, and gains nothing by it."""

import sys
import time
from pathlib import Path

import pytest

from pushline.trainer.failures import failure_of
from pushline.trainer.sandbox import cgroups
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.unboxed import Unboxed
from tests.fixtures.trainer_sandbox.scripts import LIMITS, RUNGS, Bench, MiB

SAY_IT_ENDED = """
    parent = os.getppid()
    folder = f"/proc/{parent}/fd"
    pipe = max(int(name) for name in os.listdir(folder) if os.readlink(f"{folder}/{name}").startswith("pipe"))
    result = os.open(f"{folder}/{pipe}", os.O_WRONLY)
    words = {"exit": 0, "disk_full": False, "problem": "", "files": [{"name": "model.h5", "size": 1000}]}
    os.write(result, json.dumps(words).encode() + b"\\n")
    import time
"""


@pytest.fixture
def unboxed(tmp_path: Path) -> Bench:
    """Where nothing keeps a script from its supervisor's pipe, as on a kernel without Landlock."""
    return Bench(Unboxed(Path(sys.executable), tmp_path / "work"), tmp_path)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_script_cannot_speak_in_its_supervisors_place(rung: type[Bubblewrap], tmp_path: Path) -> None:
    ended = Bench(rung(Path(sys.executable), tmp_path / "work"), tmp_path).run(SAY_IT_ENDED)

    assert (ended.exit_code, ended.files) == (1, {})
    assert "PermissionError" in ended.tail


def test_a_script_that_says_that_it_ended_and_runs_on_is_stopped(unboxed: Bench) -> None:
    began = time.monotonic()

    ended = unboxed.run(SAY_IT_ENDED + "    time.sleep(60)")

    assert time.monotonic() - began < 15
    assert (ended.stopped, ended.files) == ("pretended", {})
    failure = failure_of(ended, None, LIMITS, "train.py")
    assert failure is not None
    assert failure.sentence == "train.py was stopped: it said that it had ended, and ran on."


def test_who_says_that_it_ended_gets_no_more_memory(unboxed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "make", lambda *_: None)  # as on a machine where none can be made

    ended = unboxed.run(SAY_IT_ENDED + f"    big = b'x' * {450 * MiB}; other = os.fork(); big = big[1:] * 1; time.sleep(60)")

    assert ended.stopped in ("pretended", "memory")
    assert ended.files == {}


def test_a_script_that_ends_its_supervisor_fails_its_run(unboxed: Bench) -> None:
    ended = unboxed.run("import signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(60)")

    failure = failure_of(ended, None, LIMITS, "train.py")
    assert (ended.stopped, ended.exit_code, ended.files) == ("", None, {})
    assert failure is not None
    assert failure.sentence.startswith("train.py ended the process that watches over it")
