"""A run becomes a `trained` event: real git, the real sandbox, a small script in the launcher's place, the store in memory."""

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.codec import encode
from pushline.line.events import ModelTrained
from pushline.line.stage import Transient
from pushline.objects import keys, manifest
from pushline.objects.store import Stored
from pushline.runtime.operator_file import GateConfig
from pushline.trainer import tries
from pushline.trainer.sandbox.unboxed import Unboxed
from pushline.trainer.training import LAUNCHER
from tests.fixtures.trainer_sandbox.trainings import LIMITS, ROOT, SAVES, TRAINING_PYTHON, Bench, MiB, read
from tests.waiting import until


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
        ("import os; os.kill(os.getppid(), 9)", "script_failed", "train.py "),  # before Linux 6.12 it can, and gains nothing
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
        assert tries.begin(bench.store, "digits", run.run_id, bench.training.owner) is not None

    event = bench.trained(run)

    assert (event.outcome, event.reason) == ("failed", "crashed")


def test_a_training_of_another_trainer_is_waited_for_and_what_it_made_is_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "STANDS_STILL_SECONDS", 4.0)
    run, answers = bench.push("import time; time.sleep(1)\n" + SAVES), list[ModelTrained | None]()
    other = bench.made(Path(sys.executable), name="another")
    training = threading.Thread(target=lambda: answers.append(other.train(run, bench.config, threading.Event())))
    training.start()
    until(lambda: tries.newest_progress(bench.store, "digits", run.run_id) != b"", 20)

    event = bench.trained(run)
    training.join()

    assert [event] == answers
    assert len(list(bench.store.list(keys.tries("digits", run.run_id)))) == 3  # one try: started, progress, log


def test_tries_that_were_stopped_in_good_order_do_not_count(bench: Bench) -> None:
    run = bench.push("import time; time.sleep(600)")

    def names() -> set[str]:
        return {key.split("/")[4] for key in bench.store.list(keys.tries("digits", run.run_id))}

    def cancel_when_begun(number: int) -> None:
        until(lambda: len(names()) == number, 30)
        bench.cancelled.set()

    for number in range(1, 5):
        bench.cancelled.clear()
        canceller = threading.Thread(target=cancel_when_begun, args=(number,))
        canceller.start()
        assert bench.train(run) is None
        canceller.join()

    assert sorted(name.partition("-")[0] for name in names()) == ["1", "2", "3", "4"]


def test_progress_and_log_are_in_the_store_while_the_script_runs(bench: Bench) -> None:
    run = bench.push("say(event='epoch', epoch=1, epochs=9, metrics={})\nprint('begun', flush=True)\nimport time\ntime.sleep(600)")
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(bench.train(run)))
    thread.start()

    until(lambda: b"begun" in (read(bench, run, "log.txt") or b""), 20)
    until(lambda: json.loads(tries.newest_progress(bench.store, "digits", run.run_id) or b"{}").get("epochs") == 9, 20)
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
