"""A run becomes a `trained` event: real git, the real sandbox, a small script in the launcher's place, the store in memory."""

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pushline.line.codec import Entry, decode, encode
from pushline.line.events import Commit, CommitPushed, ModelTrained
from pushline.line.ids import run_id
from pushline.line.ledger import ModelLine, Run
from pushline.line.records import Record
from pushline.line.stage import Transient
from pushline.objects import keys, manifest
from pushline.objects.memory_store import MemoryStore
from pushline.objects.store import Stored
from pushline.runtime.operator_file import GateConfig, Limits, ModelConfig
from pushline.trainer import tries
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.unboxed import Unboxed
from pushline.trainer.training import LAUNCHER, Training

MiB = 1024 * 1024
LIMITS = Limits(timeout_seconds=30.0, memory_bytes=512 * MiB, processes=64, disk_bytes=64 * MiB, output_bytes=8 * MiB)
ROOT = Path(__file__).parents[3]
TRAINING_PYTHON = ROOT / ".venv/training/bin/python"
STUB = """
import json, os, runpy, sys, traceback
out = sys.argv[sys.argv.index("--out") + 1]
script = sys.argv[sys.argv.index("--script") + 1]
progress = os.fdopen(int(sys.argv[sys.argv.index("--progress-fd") + 1]), "w", buffering=1)
sys.path.insert(0, os.getcwd())
result = {"schema": 1, "outcome": "failed", "reason": "script_failed", "sentence": ""}
try:
    runpy.run_path(script, {"say": lambda **words: print(json.dumps(words), file=progress)}, "__main__")
    if os.path.isfile("model.h5") and not os.path.islink("model.h5"):
        os.rename("model.h5", out + "/model.h5")
        for name in ("program.tflite", "dataset.npz", "answers.npz"):
            open(f"{out}/{name}", "w").write("content of " + name)
        tensor = [{"name": "x", "dtype": "float32", "shape": [-1, 64]}]
        result = {"schema": 1, "outcome": "succeeded", "reason": "", "sentence": "", "inputs": tensor, "outputs": tensor,
            "programs": [{"file": "program.tflite", "batch": None}], "task": "classification", "loss": "mse",
            "dataset": {"file": "dataset.npz", "rows": 360, "taken_from": "evaluate"}, "history": {"loss": [0.5, 0.25]},
            "versions": {"python": "3"}, "seeds": {"numpy": 1}}
    else:
        result.update(reason="no_model", sentence="train.py ended, but it saved no model.h5.")
except Exception as error:
    sys.stdout.flush()
    traceback.print_exc()
    result["sentence"] = f"{script} raised {type(error).__name__}: {error}"
json.dump(result, open(out + "/result.json", "w"))
sys.exit(0 if result["outcome"] == "succeeded" else 1)
"""
SAVES = "open('model.h5', 'wb').write(b'the weights')\n"
SAYS = "say(event='fit', epochs=2); say(event='epoch', epoch=1, epochs=2, metrics={'loss': .5}); print('hello')\n"


@dataclass
class Bench:
    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    cancelled: threading.Event = field(default_factory=threading.Event)
    limits: Limits = LIMITS
    gates: dict[str, GateConfig] = field(default_factory=dict)
    generation: int = 0
    training: Training = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "launcher").mkdir()
        (self.folder / "launcher/launch.py").write_text(STUB)
        (self.folder / "repository").mkdir()
        self.git("init", "-q", "-b", "main")
        self.training = self.made(Path(sys.executable))

    def made(self, python: Path, launcher: Path | None = None) -> Training:
        work = self.folder / "work"
        return Training(self.store, GitRemote(work), Bubblewrap(python, work), work, launcher or self.folder / "launcher")

    def git(self, *words: str) -> str:
        author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(["git", *author, *words], cwd=self.folder / "repository", capture_output=True, check=True, text=True)
        return done.stdout.strip()

    def push(self, script: str, files: dict[str, str] | None = None) -> Run:
        for name, text in {"train.py": textwrap.dedent(script), **(files or {})}.items():
            (self.folder / "repository" / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        self.generation += 1
        return self.run_of(self.git("rev-parse", "HEAD"))

    def run_of(self, sha: str) -> Run:
        commit = Commit(str(self.folder / "repository"), "refs/heads/main", sha, "", "Ada", "a commit")
        run = run_id("digits", self.generation, 1, sha)
        event = CommitPushed("digits", run, self.generation, 1, commit, "", self.generation - 1, "", "")
        message = encode(event, "test")
        entry = decode(Record("commit", 0, self.generation, message.key, message.value, message.headers, 0))
        return Run(
            Entry(**{**{name: getattr(entry, name) for name in entry.__slots__}, "event": entry.event}), ModelLine("digits", 0)
        )

    @property
    def config(self) -> ModelConfig:
        repository = str(self.folder / "repository")
        return ModelConfig("digits", repository, "main", "latest", True, (), 180.0, self.gates, self.limits)

    def train(self, run: Run) -> ModelTrained | None:
        return self.training.train(run, self.config, self.cancelled)

    def trained(self, run: Run) -> ModelTrained:
        event = self.train(run)
        assert event is not None
        return event

    def try_file(self, run: Run, name: str) -> bytes:
        (key,) = [key for key in self.store.list(keys.tries("digits", run.run_id)) if key.endswith("/" + name)]
        return self.store.read_bytes(key)

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.folder / "work").glob("trainings/*")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_commit_becomes_a_model_in_the_store(bench: Bench) -> None:
    bench.gates = {"accuracy": GateConfig(0.8, None, None)}
    run = bench.push(
        "say(event='fit', epochs=2); say(event='epoch', epoch=1, epochs=2, metrics={'loss': .5}); print('hello')\n" + SAVES
    )

    event = bench.trained(run)

    assert (event.outcome, event.sandbox, event.caused_by, event.run_id) == ("succeeded", "bubblewrap", run.push.id, run.run_id)
    assert [file.name for file in event.files] == ["model.h5", "program.tflite", "answers.npz"]
    assert bench.store.read_bytes(keys.model_file("digits", event.digest, "model.h5")) == b"the weights"
    made = manifest.load(bench.store.read_bytes(keys.manifest("digits", run.run_id, event.manifest_sha256)))
    assert made.dataset is not None
    assert bench.store.read_bytes(keys.dataset("digits", made.dataset.sha256)) == b"content of dataset.npz"
    assert (made.digest, made.history, made.dataset.origin) == (event.digest, {"loss": (0.5, 0.25)}, "repository")
    assert made.gates == (manifest.Gate("accuracy", 0.8, None, None, {}, "operator"),)
    assert b"hello\n" in bench.try_file(run, "log.txt")
    progress = json.loads(bench.try_file(run, "progress.json"))
    assert (progress["epoch"], progress["epochs"], progress["metrics"]) == (1, 2, {"loss": 0.5})
    assert json.loads(bench.try_file(run, "history.json")) == {"loss": [0.5]}
    assert bench.leftovers() == []


def test_a_complete_manifest_is_taken_and_nothing_trained_again(bench: Bench) -> None:
    run = bench.push(SAVES)
    event = bench.trained(run)
    bench.training = bench.made(Path("/nowhere/python"))

    again = bench.trained(run)

    assert encode(again, "test").value == encode(event, "test").value


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        (
            "print('reading data')\nraise ValueError('no such column')",
            "script_failed",
            "train.py raised ValueError: no such column",
        ),
        ("print('done')", "no_model", "saved no model.h5"),
        ("import os; os.symlink('/etc/passwd', 'model.h5')", "no_model", "saved no model.h5"),
        ("import os; os.mkfifo('model.h5')", "no_model", "saved no model.h5"),
        ("open('model.h5', 'w')", "not_a_model", "model.h5 is empty"),
        ("open('model.h5', 'wb').truncate(9 << 20)", "output_too_large", "model.h5 has 9437184 bytes; the limit is 8388608"),
        ("x = bytearray(4 << 30)", "memory", "train.py needed more than the 512 MiB of memory"),
        ("open('x', 'wb').write(bytes(80 << 20))", "disk_full", "train.py filled the 64 MiB of scratch space"),
        ("import os; os._exit(7)", "script_failed", "train.py ended with exit code 7 and without a result"),
        ("import os; os.abort()", "script_failed", "train.py was ended by signal 6"),
        ("import os; os.kill(os.getppid(), 9)", "script_failed", "train.py ended the process that watches over it"),
        ("open('/source/train.py', 'w')", "script_failed", "Read-only file system"),
    ],
)
def test_a_bad_script_fails_its_run_with_one_sentence(bench: Bench, script: str, reason: str, words: str) -> None:
    run = bench.push(script)

    event = bench.trained(run)

    assert (event.outcome, event.reason, event.digest, event.files) == ("failed", reason, "", ())
    assert words in event.sentence
    assert "\n" not in event.sentence
    assert list(bench.store.list(keys.manifests("digits", run.run_id))) == []
    assert bench.leftovers() == []


def test_the_sentence_of_a_script_that_raises_has_the_last_lines_of_its_output(bench: Bench) -> None:
    event = bench.trained(bench.push("raise OSError('\\x1b[31mno table\\x1b[0m\\a')"))

    assert event.sentence.startswith("train.py raised OSError: no table\\x07. Last lines of its output: ")
    assert event.sentence.endswith("| OSError: no table\\x07")


def test_after_a_failed_commit_the_next_one_trains(bench: Bench) -> None:
    assert bench.trained(bench.push("1/0")).outcome == "failed"
    assert bench.trained(bench.push(SAVES)).outcome == "succeeded"


def test_a_script_that_takes_too_long_is_stopped(bench: Bench) -> None:
    event = bench.trained(bench.push("while True: pass", {"pushline.toml": "[train]\ntimeout = '1s'\n"}))

    assert (event.reason, event.sentence) == ("timeout", "train.py was stopped: it did not end within 1 s (timeout).")


def test_a_wrong_repository_file_fails_the_run_before_any_script_runs(bench: Bench) -> None:
    event = bench.trained(bench.push(SAVES, {"pushline.toml": "[model]\nname = 'other'\n"}))

    assert (event.outcome, event.reason, event.sandbox) == ("failed", "other_model", "")
    assert "pushline.toml: model.name" in event.sentence


def test_a_commit_that_left_the_branch_fails(bench: Bench) -> None:
    bench.push(SAVES)
    gone = bench.push("print(2)\n" + SAVES)
    bench.git("reset", "-q", "--hard", "HEAD~1")

    event = bench.trained(gone)

    assert (event.outcome, event.reason) == ("failed", "not_on_branch")


def test_a_forge_that_is_away_is_waited_for_and_costs_no_try(bench: Bench) -> None:
    run = bench.push(SAVES)
    (bench.folder / "repository").rename(bench.folder / "away")

    for _ in range(5):
        with pytest.raises(Transient, match="forge: "):
            bench.train(run)
    (bench.folder / "away").rename(bench.folder / "repository")

    assert bench.trained(run).outcome == "succeeded"


def test_a_store_that_is_away_is_waited_for_without_training_again(bench: Bench) -> None:
    run = bench.push(SAVES)
    real = bench.store.put_file

    def put_file(key: str, path: Path) -> Stored:
        bench.store.set_unavailable(True)
        return real(key, path)

    bench.store.put_file = put_file  # type: ignore[method-assign]  # the store goes away in the middle of the upload
    with pytest.raises(Transient, match="store: "):
        bench.train(run)
    bench.store.set_unavailable(False)
    bench.store.put_file = real  # type: ignore[method-assign]  # as it was
    bench.training.launcher = bench.folder / "nowhere"

    assert bench.trained(run).outcome == "succeeded"
    assert bench.leftovers() == []


def test_three_crashed_tries_end_the_run(bench: Bench) -> None:
    run = bench.push(SAVES)
    for _ in range(3):
        assert tries.begin(bench.store, "digits", run.run_id) is not None

    event = bench.trained(run)

    assert (event.outcome, event.reason) == ("failed", "crashed")


def test_tries_that_were_stopped_in_good_order_do_not_count(bench: Bench) -> None:
    run = bench.push("import time; time.sleep(600)")
    for _ in range(4):
        bench.cancelled.clear()
        timer = threading.Timer(0.5, bench.cancelled.set)
        timer.start()
        assert bench.train(run) is None
        timer.join()
    names = {key.split("/")[4] for key in bench.store.list(keys.tries("digits", run.run_id))}

    assert sorted(name.partition("-")[0] for name in names) == ["1", "2", "3", "4"]


def test_progress_and_log_are_in_the_store_while_the_script_runs(bench: Bench) -> None:
    run = bench.push("say(event='epoch', epoch=1, epochs=9, metrics={})\nprint('begun', flush=True)\nimport time\ntime.sleep(600)")
    answers: list[ModelTrained | None] = []
    thread = threading.Thread(target=lambda: answers.append(bench.train(run)))
    thread.start()

    assert wait_for(lambda: b"begun" in (read(bench, run, "log.txt") or b""))
    assert wait_for(lambda: json.loads(tries.newest_progress(bench.store, "digits", run.run_id) or b"{}").get("epochs") == 9)
    bench.cancelled.set()
    thread.join()

    assert answers == [None]


def test_without_a_sandbox_the_run_fails_and_says_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_words, **_named: None)

    event = bench.trained(bench.push(SAVES))

    assert event.reason == "sandbox_unavailable"
    assert "install the package bubblewrap" in event.sentence


def test_the_event_says_when_there_was_no_sandbox(bench: Bench) -> None:
    bench.training.sandbox = Unboxed(Path(sys.executable), bench.folder / "work")
    run = bench.push(SAVES)

    event = bench.trained(run)

    assert (event.outcome, event.sandbox) == ("succeeded", "off")
    assert b"without a sandbox" in bench.try_file(run, "log.txt")


@pytest.mark.timeout(180)
def test_a_real_keras_script_trains_through_the_real_launcher(bench: Bench) -> None:
    bench.limits = replace(LIMITS, timeout_seconds=150.0, memory_bytes=4096 * MiB, processes=256, disk_bytes=512 * MiB)
    bench.training = bench.made(TRAINING_PYTHON, LAUNCHER)
    source = ROOT / "examples/subclassed/train.py"
    run = bench.push(source.read_text())

    event = bench.trained(run)

    assert event.outcome == "succeeded", (event.sentence, bench.try_file(run, "log.txt"))
    assert event.files[0].name == "model.h5"
    made = manifest.load(bench.store.read_bytes(keys.manifest("digits", run.run_id, event.manifest_sha256)))
    assert made.dataset is not None
    assert (made.task, made.dataset.taken_from) == ("classification", "evaluate")
    assert len(made.environment_sha256) == 64
    assert made.history
    assert json.loads(bench.try_file(run, "progress.json"))["epoch"] > 0


def test_a_real_script_that_raises_is_told_with_its_own_last_lines(bench: Bench) -> None:
    bench.training = bench.made(TRAINING_PYTHON, LAUNCHER)

    event = bench.trained(bench.push("print('reading data', flush=True)\nraise ValueError('no such column: age')"))

    assert event.reason == "script_failed"
    assert event.sentence.startswith("train.py raised ValueError: no such column: age. Last lines of its output: reading data | ")
    assert event.sentence.endswith("ValueError: no such column: age")


def read(bench: Bench, run: Run, name: str) -> bytes | None:
    found = [key for key in bench.store.list(keys.tries("digits", run.run_id)) if key.endswith("/" + name)]
    return bench.store.read_bytes(found[0]) if found else None


def wait_for(holds: Callable[[], bool]) -> bool:
    for _ in range(400):
        if holds():
            return True
        threading.Event().wait(0.05)
    return False
