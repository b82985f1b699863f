"""The candidate in the real predictor: what it answers is the engine's word, and whatever else happens there ends as a verdict.

Stubs stand for a predictor that a program has broken; they speak for the process alone, as no real program here does so.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from pushline.evaluator.arrays import Array
from pushline.evaluator.assessed import Assessment, Material, Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.ports import Cancelled, CannotRun, ProgramFailed, ProgramFile
from pushline.evaluator.trial import TOLERANCE
from pushline.objects.manifest import Dataset, Manifest, TensorSpec
from pushline.objects.memory_store import MemoryStore
from tests.faults.procfs import children_of, processes, runs, told
from tests.fixtures.evaluator.story import RUNS, npz, put_run
from tests.fixtures.evaluator.trials import ABOUT, PIXELS, material, program_of
from tests.waiting import until

PROGRAMS = RUNS.parent / "programs"


@pytest.fixture(params=["bubblewrap", "limits alone"])
def bubblewrap(request: pytest.FixtureRequest) -> str:
    return working_bubblewrap() if request.param == "bubblewrap" else ""


def stub(code: str, bubblewrap: str = "", limits: TrialLimits | None = None, scratch: Path | None = None) -> PredictorProcess:
    """A predictor that does this instead, given the words --model FOLDER --socket PATH."""
    return PredictorProcess(limits or TrialLimits(seconds=20), bubblewrap, (sys.executable, "-I", "-c", code), scratch)


OPENING = 'print(\'{"message":"opening"}\', flush=True)\n'
BY_REAL_ONE = """
import json, os, runpy, sys
from pathlib import Path
folder = Path(sys.argv[2])
about = json.loads((folder / "manifest.json").read_text())
{change}
(folder / "manifest.json").write_text(json.dumps(about))
sys.argv[0] = "pushline.predictor"
runpy.run_module("pushline.predictor", run_name="__main__")
"""


def ask(predictors: PredictorProcess, inputs: dict[str, Array] | None = None, cancelled: threading.Event | None = None) -> Array:
    with predictors.serve(ABOUT, [program_of("digits")], cancelled or threading.Event()) as predictor:
        return predictor.ask(inputs or {"pixels": PIXELS}).outputs["digit"]


def failure(predictors: PredictorProcess) -> ProgramFailed:
    with pytest.raises(ProgramFailed) as caught:
        ask(predictors)
    return caught.value


def assess(predictors: PredictorProcess, own: Material, live: Material | None = None) -> Assessment:
    child = LimitedChild(Limits(), predictors.bubblewrap)
    return Assessor(child, Rules(), predictors).assess(own, live, threading.Event())


def test_a_candidate_is_asked_in_the_predictor_and_what_serving_costs_is_measured(bubblewrap: str) -> None:
    found = assess(PredictorProcess(TrialLimits(), bubblewrap), material())

    assert found.verdict.verdict == "accepted"
    assert found.trial is not None
    assert (found.trial.requests, found.trial.rows, found.trial.signature) == (34, 104, "first")
    assert found.trial.max_abs_difference is not None
    assert found.trial.max_abs_difference <= TOLERANCE
    assert found.costs["program_bytes"][0] == (RUNS / "digits" / "program.tflite").stat().st_size
    own = {name: value for name, (value, _) in found.costs.items() if value is not None}
    assert 0 < own["latency_p50_ms"] <= own["latency_p99_ms"] < 1000
    assert 0 < own["latency_64_p50_ms"] <= own["latency_64_p99_ms"] < 1000
    assert 20 * 2**20 < own["peak_memory_bytes"] < 2**30
    assert all(live is None for _, live in found.costs.values())


def test_the_live_model_is_measured_beside_it(child: LimitedChild) -> None:
    found = assess(PredictorProcess(TrialLimits(), child.bubblewrap), material(), material("digits_worse"))

    assert all(value and live for value, live in found.costs.values())
    sizes = [(RUNS / name / "program.tflite").stat().st_size for name in ("digits", "digits_worse")]
    assert found.costs["program_bytes"] == tuple(sizes)
    assert found.trial is not None
    assert found.trial.signature == "same"


def test_two_assessments_find_the_same(child: LimitedChild) -> None:
    predictors = PredictorProcess(TrialLimits(), child.bubblewrap)

    assert assess(predictors, material()).trial == assess(predictors, material()).trial


def test_a_model_of_several_programs_is_asked_as_it_is_served(child: LimitedChild, tmp_path: Path) -> None:
    with np.load(PROGRAMS / "answers.npz") as arrays:
        words, mood = arrays["recurrent.words"], arrays["recurrent.Identity"]
    names = {f"recurrent-{batch}.tflite": batch for batch in (1, 8, 32)}
    (tmp_path / "dataset.npz").write_bytes(npz(x=words, y=mood))
    (tmp_path / "answers.npz").write_bytes(npz(Identity=mood))
    about = put_run(
        MemoryStore(),
        "diabetes",
        replaced={name: (PROGRAMS / name).read_bytes() for name in names},
        programs=list(names.items()),
        inputs=(TensorSpec("words", "float32", (-1, 5, 2)),),
        outputs=(TensorSpec("Identity", "float32", (-1, 2)),),
        dataset=Dataset("a" * 64, 1, len(words), "repository", "evaluate"),
    ).manifest
    programs = tuple(ProgramFile(name, PROGRAMS / name, batch) for name, batch in names.items())

    own = Material(about, programs, tmp_path / "dataset.npz", tmp_path / "answers.npz")
    found = assess(PredictorProcess(TrialLimits(), child.bubblewrap), own)

    assert found.verdict.verdict == "accepted", found.verdict
    assert found.trial is not None
    assert found.trial.requests == 34


ANOTHER_PROGRAM = f"""
import hashlib
data = bytes.fromhex("{(RUNS / "digits_worse" / "program.tflite").read_bytes().hex()}")
(folder / "program.tflite").write_bytes(data)
for file in about["files"]:
    if file["name"] == "program.tflite":
        file.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
"""
DISAGREES = [
    ("another program under the same name", ANOTHER_PROGRAM, "digit differs from the engine's by up to"),
    ("another model", "about['digest'] = 'e' * 64", "it says that the model 'eeee"),
]


@pytest.mark.parametrize(("name", "change", "words"), DISAGREES, ids=[case[0] for case in DISAGREES])
def test_a_predictor_that_answers_something_else_rejects_the_run(name: str, change: str, words: str, bubblewrap: str) -> None:
    del name

    found = assess(stub(BY_REAL_ONE.format(change=change), bubblewrap), material())

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "predictor_disagrees")
    assert words in found.verdict.sentence
    assert found.judged == ()


def test_a_model_that_the_predictor_does_not_take_is_refused_in_its_own_words(bubblewrap: str) -> None:
    predictors = PredictorProcess(TrialLimits(program_bytes=1000), bubblewrap)

    failed = failure(predictors)

    assert failed.reason == "predictor_refused"
    assert "program.tflite has 20976 bytes; at most 1000 are read" in failed.sentence


def test_a_request_that_the_predictor_does_not_answer_is_a_refusal(bubblewrap: str) -> None:
    with pytest.raises(ProgramFailed) as caught:
        ask(PredictorProcess(TrialLimits(), bubblewrap), {"pixels": np.zeros((1, 3), np.float32)})

    assert caught.value.reason == "predictor_refused"
    assert "INVALID_ARGUMENT: inputs.pixels" in caught.value.sentence


CRASHES = [
    ("SIGSEGV", "import ctypes; ctypes.string_at(0)", "(SIGSEGV)"),
    ("SIGABRT", "import os; os.abort()", "(SIGABRT)"),
    ("SIGKILL", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "(SIGKILL)"),
    ("exit 7", "raise SystemExit(7)", "(exit status 7)"),
    ("memory", "hog = bytearray(2**36)", "256 MiB"),
]


@pytest.mark.parametrize(("name", "code", "words"), CRASHES, ids=[case[0] for case in CRASHES])
def test_a_crash_of_the_predictor_is_the_programs_fault(name: str, code: str, words: str, bubblewrap: str) -> None:
    del name

    failed = failure(stub(OPENING + code, bubblewrap, TrialLimits(memory_bytes=2**28, seconds=20)))

    assert failed.reason == "predictor_crashed"
    assert words in failed.sentence


def test_a_predictor_that_never_gets_ready_is_ended_at_its_deadline(bubblewrap: str) -> None:
    began = time.monotonic()

    failed = failure(stub(OPENING + "import time; time.sleep(600)", bubblewrap, TrialLimits(seconds=0.5)))

    assert failed.reason == "predictor_timeout"
    assert time.monotonic() - began < 10


LISTENS = """
import socket, sys, time
door = socket.socket(socket.AF_UNIX); door.bind(sys.argv[4]); door.listen(); time.sleep(600)
"""


def test_a_predictor_that_listens_and_never_answers_is_ended_at_its_deadline(bubblewrap: str) -> None:
    failed = failure(stub(OPENING + LISTENS, bubblewrap, TrialLimits(seconds=0.3)))

    assert failed.reason in ("predictor_timeout", "predictor_crashed")


NOT_HERE: list[tuple[tuple[str, ...], str]] = [
    (("/no/such/python", "-m", "pushline.predictor"), "there is no program /no/such/python"),
    ((sys.executable, "-I", "-m", "no_such_module"), "No module named no_such_module"),
    ((sys.executable, "-I", "-c", "raise SystemExit(2)"), "exit status 2"),
    ((sys.executable, "-I", "-m", "pushline.predictor", "--modal"), "unrecognized arguments: --modal"),
]


@pytest.mark.parametrize(("command", "words"), NOT_HERE, ids=[case[1] for case in NOT_HERE])
def test_a_command_that_does_not_start_a_predictor_is_this_machines_fault(
    command: Sequence[str], words: str, bubblewrap: str
) -> None:
    predictors = PredictorProcess(TrialLimits(seconds=20), bubblewrap, tuple(command))

    with pytest.raises(CannotRun, match="PUSHLINE_PREDICTOR_COMMAND") as caught:
        ask(predictors)

    assert words in str(caught.value)


def test_a_command_that_is_not_there_is_seen_without_work() -> None:
    assert PredictorProcess(TrialLimits()).problem == ""
    assert "/no/such" in PredictorProcess(TrialLimits(), command=("/no/such/python",)).problem


def test_what_was_cancelled_ends_at_once(bubblewrap: str) -> None:
    cancelled, began = threading.Event(), time.monotonic()
    threading.Timer(0.3, cancelled.set).start()

    with pytest.raises(Cancelled):
        ask(stub(OPENING + LISTENS, bubblewrap, TrialLimits(seconds=60)), cancelled=cancelled)

    assert time.monotonic() - began < 15


def test_a_program_that_hangs_ends_as_one_verdict_and_leaves_no_process(child: LimitedChild, tmp_path: Path) -> None:
    """It hangs in the limited child and in the predictor beside it."""
    endless = tmp_path / "program.tflite"
    endless.write_bytes((RUNS.parent / "predictor" / "endless.tflite").read_bytes())
    about = endless_manifest(endless)
    (tmp_path / "dataset.npz").write_bytes(npz(x=np.zeros((4, 4), np.float32), y=np.arange(4) % 2))
    (tmp_path / "answers.npz").write_bytes(npz(y=np.zeros((4, 4), np.float32)))
    own = Material(about, (ProgramFile("program.tflite", endless, None),), tmp_path / "dataset.npz", tmp_path / "answers.npz")
    limited = replace(child, limits=Limits(seconds=1.5))
    predictors = PredictorProcess(TrialLimits(seconds=1.5), child.bubblewrap, scratch=tmp_path)

    found = Assessor(limited, Rules(), predictors).assess(own, None, threading.Event())

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "program_timeout")
    until(lambda: not predictors_below(tmp_path), 10, "the end of every process")
    assert assess(PredictorProcess(TrialLimits(), child.bubblewrap), material()).verdict.verdict == "accepted"


def endless_manifest(program: Path) -> Manifest:
    return put_run(
        MemoryStore(),
        "digits",
        replaced={"program.tflite": program.read_bytes()},
        inputs=(TensorSpec("x", "float32", (-1, 4)),),
        outputs=(TensorSpec("y", "float32", (-1, 4)),),
        dataset=Dataset("a" * 64, 1, 4, "repository", "evaluate"),
    ).manifest


REACHES = OPENING + (
    "import os, sys, socket; from pathlib import Path; reached = []\n"
    "def attempt(name, act):\n"
    "    try:\n"
    "        act(); reached.append(name)\n"
    "    except OSError: pass\n"
    "attempt('a secret', lambda: open(%(secret)r).read())\n"
    "attempt('shadow', lambda: open('/etc/shadow').read())\n"
    "attempt('writing', lambda: open(%(secret)r + '.new', 'w'))\n"
    "attempt('the interpreter', lambda: open(sys.prefix + '/canary', 'w'))\n"
    "attempt('the network', lambda: socket.create_connection(('127.0.0.1', %(port)d), 2))\n"
    "attempt('the evaluator', lambda: open(f'/proc/{os.getppid()}/environ').read())\n"
    "print('reached', reached, sorted(name for name in os.environ if 'SECRET' in name)); sys.exit(3)\n"
)


def test_the_predictor_reaches_nothing_of_the_machine(bubblewrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHLINE_S3_SECRET_KEY", "secret")
    secret = tmp_path / "secret"
    secret.write_text("secret")

    with socket.create_server(("127.0.0.1", 0)) as server:
        failed = failure(stub(REACHES % {"secret": str(secret), "port": server.getsockname()[1]}, bubblewrap))

    assert failed.sentence == "the predictor refuses the model: reached [] []"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_nothing_is_left_behind(bubblewrap: str, tmp_path: Path) -> None:
    ask(PredictorProcess(TrialLimits(), bubblewrap, scratch=tmp_path))

    assert list(tmp_path.iterdir()) == []
    until(lambda: not predictors_below(tmp_path), 10, "the end of every process")


def predictors_below(scratch: Path) -> list[int]:
    return [pid for pid in processes() if str(scratch) in told(pid, "cmdline") and runs(pid)]


SERVE_FOR_EVER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, %(root)r)
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from tests.fixtures.evaluator.trials import ABOUT, PIXELS, program_of
predictors = PredictorProcess(TrialLimits(), %(bubblewrap)r, scratch=Path(%(scratch)r))
with predictors.serve(ABOUT, [program_of("digits")], threading.Event()) as one:
    one.ask({"pixels": PIXELS})
    print("answered", flush=True)
    threading.Event().wait()
"""


def test_an_evaluator_that_is_killed_during_a_trial_leaves_no_predictor(bubblewrap: str, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    code = SERVE_FOR_EVER % {"root": root, "bubblewrap": bubblewrap, "scratch": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root) as evaluator:
        try:
            assert evaluator.stdout is not None
            assert evaluator.stdout.readline() == b"answered\n"
            below = children_of(evaluator.pid)
            assert any("pushline.predictor" in told(pid, "cmdline") for pid in below)
        finally:
            evaluator.kill()

    until(lambda: not any(runs(pid) for pid in below), 10, "the end of the predictor")
