"""The limited child: whatever a program does in there is the program's fault, and nothing of the evaluator is within its reach."""

import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.ports import Cancelled, CannotRun, ProgramFailed, ProgramFile
from tests.fixtures.evaluator.story import RUNS

PROGRAM = ProgramFile("program.tflite", RUNS / "digits" / "program.tflite", None)
INPUTS = {"pixels": np.zeros((3, 64), np.float32)}
READY = "open('ready', 'w').close()\n"
SAY = "import json; json.dump({'reason': 'said', 'sentence': str(said)}, open('result.json', 'w'))\n"


@pytest.fixture(params=["bubblewrap", "limits alone"])
def bubblewrap(request: pytest.FixtureRequest) -> str:
    return working_bubblewrap() if request.param == "bubblewrap" else ""


def stub(code: str, bubblewrap: str, limits: Limits) -> LimitedChild:
    """A child that does this instead."""
    return LimitedChild(limits, bubblewrap, (sys.executable, "-I", "-c", code))


def failure(code: str, bubblewrap: str = "", limits: Limits | None = None) -> ProgramFailed:
    child = stub(READY + code, bubblewrap, limits or Limits(seconds=20))
    with pytest.raises(ProgramFailed) as caught:
        child.run([PROGRAM], INPUTS, threading.Event())
    return caught.value


def test_bubblewrap_works_here() -> None:
    assert working_bubblewrap()


def test_answers_times_and_memory_come_back(bubblewrap: str) -> None:
    answers = LimitedChild(Limits(), bubblewrap).run([PROGRAM], INPUTS, threading.Event())

    assert answers.together["digit"].shape == (3, 10)
    assert len(answers.alone) == 1
    assert answers.load_seconds > 0
    assert answers.run_seconds > 0
    assert 2**20 < answers.peak_memory_bytes < 2**30


@pytest.mark.parametrize("limits", [Limits(seconds=0.5), Limits(seconds=1)])
def test_a_program_that_hangs_is_ended_at_its_deadline(bubblewrap: str, limits: Limits) -> None:
    before = time.monotonic()

    failed = failure("import time; time.sleep(600)", bubblewrap, limits)

    assert failed.reason == "program_timeout"
    assert f"it had {limits.seconds:g} s" in failed.sentence
    assert time.monotonic() - before < 10


NO_TIME = """
import numpy as np
np.savez('together.npz', y=np.ones(3))
open('result.json', 'w').write('{"load_seconds": NaN, "run_seconds": 1.0, "peak_memory_bytes": 1}')
"""
CRASHES = [
    ("SIGSEGV", "import ctypes; ctypes.string_at(0)", "killed the process that ran it (SIGSEGV)"),
    ("SIGABRT", "import os; os.abort()", "(SIGABRT)"),
    ("SIGKILL", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "(SIGKILL)"),
    ("exit 3", "raise SystemExit(3)", "exit status 3"),
    ("exit 0 without answers", "", "exit status 0"),
    ("no JSON", "open('result.json', 'w').write('{')", "left no readable answers"),
    ("deep JSON", "open('result.json', 'w').write('[' * 60000)", "left no readable answers"),
    ("another JSON", "open('result.json', 'w').write('[]')", "left no readable answers"),
    ("a link for a result", "import os; os.symlink('/etc/passwd', 'result.json')", "left no readable answers"),
    (
        "a link for answers",
        "import os; open('result.json', 'w').write('{}'); os.symlink('/etc/passwd', 'together.npz')",
        "together.npz is missing",
    ),
    (
        "no time",
        NO_TIME,
        "a time is no number",
    ),
]


@pytest.mark.parametrize(("name", "code", "words"), CRASHES, ids=[case[0] for case in CRASHES])
def test_a_crash_is_the_programs_fault_and_named(name: str, code: str, words: str, bubblewrap: str) -> None:
    del name

    failed = failure(code, bubblewrap)

    assert failed.reason == "program_crashed"
    assert words in failed.sentence


def test_a_memory_hog_meets_its_limit(bubblewrap: str) -> None:
    """The real child gives up memory before it opens the program; this stub does as it does, then takes too much."""
    code = (
        "import json; from pathlib import Path; from pushline.evaluator.confinement import give_up, readable_here\n"
        "give_up(json.loads(Path('request.json').read_text())['limits'], readable_here(), ['.'])\n"
        + READY
        + "hog = bytearray(2**40)\n"
    )
    child = stub(code, bubblewrap, Limits(memory_bytes=2**30, seconds=20))

    with pytest.raises(ProgramFailed) as caught:
        child.run([PROGRAM], INPUTS, threading.Event())

    assert caught.value.reason == "program_crashed"
    assert "1024 MiB" in caught.value.sentence


def test_answers_larger_than_allowed_are_refused(bubblewrap: str) -> None:
    inputs = {"pixels": np.zeros((20_000, 64), np.float32)}
    child = LimitedChild(Limits(output_bytes=100_000), bubblewrap)

    with pytest.raises(ProgramFailed) as caught:
        child.run([PROGRAM], inputs, threading.Event())

    assert caught.value.reason == "program_too_large_answers"


def test_a_program_that_does_not_take_the_inputs_is_refused(bubblewrap: str) -> None:
    with pytest.raises(ProgramFailed) as caught:
        LimitedChild(Limits(), bubblewrap).run([PROGRAM], {"other": INPUTS["pixels"]}, threading.Event())

    assert caught.value.reason == "program_refused"
    assert "other" in caught.value.sentence


def test_a_truncated_program_is_refused(bubblewrap: str, tmp_path: Path) -> None:
    cut = tmp_path / "program.tflite"
    cut.write_bytes(PROGRAM.path.read_bytes()[:600])

    with pytest.raises(ProgramFailed) as caught:
        LimitedChild(Limits(), bubblewrap).run([ProgramFile("program.tflite", cut, None)], INPUTS, threading.Event())

    assert caught.value.reason in ("program_refused", "program_crashed")


def test_a_child_that_never_gets_ready_is_this_machines_fault(bubblewrap: str) -> None:
    child = stub("import no_such_module", bubblewrap, Limits(seconds=20))

    with pytest.raises(CannotRun, match="No module named 'no_such_module'"):
        child.run([PROGRAM], INPUTS, threading.Event())


def test_a_command_that_is_not_there_is_this_machines_fault() -> None:
    with pytest.raises(CannotRun, match="does not start"):
        LimitedChild(Limits(), "", ("/no/such/python",)).run([PROGRAM], INPUTS, threading.Event())


def test_a_cancelled_run_ends_at_once(bubblewrap: str) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    before = time.monotonic()

    with pytest.raises(Cancelled):
        stub(READY + "import time; time.sleep(600)", bubblewrap, Limits()).run([PROGRAM], INPUTS, cancelled)

    assert time.monotonic() - before < 10


def test_the_child_has_no_secret_of_the_evaluators_environment(bubblewrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHLINE_S3_SECRET_KEY", "the secret")

    failed = failure("import os; said = sorted(os.environ)\n" + SAY, bubblewrap)

    assert "PUSHLINE" not in failed.sentence
    assert "'PATH'" in failed.sentence


TRY_TO_CONNECT = """
import socket
try:
    socket.create_connection(('127.0.0.1', {port}), 2)
    said = 'connected'
except OSError as error:
    said = error.errno
"""


def test_the_child_reaches_no_network(bubblewrap: str) -> None:
    limits_given_up = (
        "import json; from pathlib import Path; from pushline.evaluator.confinement import give_up, readable_here\n"
        "give_up(json.loads(Path('request.json').read_text())['limits'], readable_here(), ['.'])\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = limits_given_up + TRY_TO_CONNECT.format(port=server.getsockname()[1]) + SAY
        failed = failure(code, bubblewrap)

    assert "connected" not in failed.sentence


def test_under_bubblewrap_the_child_writes_nowhere_but_in_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    code = f"""
said = []
for folder in ({str(tmp_path)!r}, '/usr', '/etc', {sys.prefix!r}):
    try:
        open(folder + '/was-here', 'w')
        said.append(folder)
    except OSError:
        pass
"""

    failed = failure(code + SAY, working_bubblewrap())

    assert failed.sentence == "the program cannot be run: []"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind(bubblewrap: str, tmp_path: Path) -> None:
    child = LimitedChild(Limits(), bubblewrap, scratch=tmp_path)

    child.run([PROGRAM], INPUTS, threading.Event())

    assert list(tmp_path.iterdir()) == []
