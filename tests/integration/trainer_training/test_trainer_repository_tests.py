"""A repository's own tests come first: real pytest in the real sandbox, a small script in the launcher's place."""

import threading
from pathlib import Path

import pytest

from pushline.objects import keys
from tests.fixtures.trainer_sandbox.trainings import SAVES, Bench, read
from tests.waiting import until

GREEN = "def test_sum() -> None:\n    assert 1 + 1 == 2\n"
RED = "def test_columns() -> None:\n    assert 'age' in ['income'], 'no column age'\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_green_tests_come_before_the_training_and_what_they_write_does_not_reach_it(bench: Bench) -> None:
    writes = "from pathlib import Path\ndef test_write():\n    Path('left').write_text('x'); Path('train.py').write_text('1/0')\n"
    run = bench.push(
        "import os; assert not os.path.exists('left')\nprint('trains')\n" + SAVES, {"tests/test_it.py": writes + GREEN}
    )

    event = bench.trained(run)

    assert event.outcome == "succeeded", event.sentence
    log = bench.try_file(run, "log.txt").decode()
    assert log.index("2 passed") < log.index("[pushline] tests ended well") < log.index("trains")


def test_a_red_test_ends_the_run_with_its_summary(bench: Bench) -> None:
    run = bench.push("print('trains')\n" + SAVES, {"tests/test_it.py": GREEN + RED})

    event = bench.trained(run)

    assert (event.outcome, event.reason, event.sandbox) == ("failed", "tests_failed", "bubblewrap")
    assert event.sentence.startswith("The tests failed: python -m pytest -q ended with exit code 1. Last lines of its output: ")
    assert "test_columns - AssertionError: no column age" in event.sentence
    assert "1 failed, 1 passed" in event.sentence
    assert "\n" not in event.sentence
    assert b"trains" not in bench.try_file(run, "log.txt")
    assert list(bench.store.list(keys.manifests("digits", run.run_id))) == []
    assert bench.leftovers() == []


def test_tests_that_hang_are_stopped(bench: Bench) -> None:
    files = {
        "tests/test_it.py": "def test_it():\n    print('begun')\n    while True: pass\n",
        "pushline.toml": "[test]\ntimeout = '2s'\n",
    }

    event = bench.trained(bench.push(SAVES, files))

    assert (event.outcome, event.reason) == ("failed", "tests_timeout")
    assert event.sentence.startswith("The tests did not end within 2 s (python -m pytest -q).")


@pytest.mark.parametrize("files", [{"tests/data.txt": "no test"}, {"tests/test_it.py": "x = 1\n"}])
def test_a_folder_without_a_test_is_none(bench: Bench, files: dict[str, str]) -> None:
    run = bench.push(SAVES, files)

    assert bench.trained(run).outcome == "succeeded"
    assert b"(there are none)" in bench.try_file(run, "log.txt")


@pytest.mark.parametrize("command", ["'python -m unittest -q checks'", "['python', '-m', 'unittest', '-q', 'checks']"])
def test_a_command_of_its_own_is_run_instead(bench: Bench, command: str) -> None:
    checks = "import unittest\nclass C(unittest.TestCase):\n    def test_it(self): self.fail('not so')\n"
    run = bench.push(SAVES, {"checks.py": checks, "pushline.toml": f"[test]\ncommand = {command}\n", "tests/test_it.py": GREEN})

    event = bench.trained(run)

    assert event.reason == "tests_failed"
    assert "AssertionError: not so" in event.sentence


def test_a_command_that_is_not_there_is_told(bench: Bench) -> None:
    event = bench.trained(bench.push(SAVES, {"pushline.toml": "[test]\ncommand = 'nosuch --now'\n"}))

    assert (event.outcome, event.reason) == ("failed", "tests_failed")
    assert "nosuch" in event.sentence


def test_tests_that_eat_memory_or_fill_the_disk_end_the_run_by_that_limit(bench: Bench) -> None:
    eats = bench.trained(bench.push(SAVES, {"tests/test_it.py": "def test_it():\n    x = bytearray(4 << 30)\n"}))
    fills = bench.trained(bench.push(SAVES, {"tests/test_it.py": "def test_it():\n    open('x', 'wb').write(bytes(80 << 20))\n"}))

    assert (eats.reason, fills.reason) == ("tests_memory", "tests_disk_full"), (eats.sentence, fills.sentence)
    assert eats.sentence.startswith("The test command (python -m pytest -q) needed more than")


def test_a_flood_of_tests_leaves_room_for_what_the_training_says(bench: Bench) -> None:
    flood = "for _ in range(60000): print('x' * 100)\nprint('the end')\n"
    files = {"flood.py": flood, "pushline.toml": "[test]\ncommand = 'python flood.py'\n"}
    run = bench.push("print('trains')\n" + SAVES, files)

    assert bench.trained(run).outcome == "succeeded"
    log = bench.try_file(run, "log.txt")
    assert len(log) < 5 * 1024 * 1024
    cut, end, trains = log.index(b"is left out: the log takes 4 MiB"), log.index(b"the end\n"), log.index(b"trains\n")
    assert cut < end < trains


def test_a_cancel_stops_the_tests_and_is_no_failure(bench: Bench) -> None:
    run = bench.push(SAVES, {"tests/test_it.py": "import time\ndef test_it():\n    time.sleep(600)\n"})
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(bench.train(run)))
    thread.start()

    until(lambda: b'"tests"' in (read(bench, run, "progress.json") or b""), 20)
    bench.cancelled.set()
    thread.join()

    assert answers == [None]
