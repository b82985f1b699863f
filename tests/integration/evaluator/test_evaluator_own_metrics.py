"""A repository's own metrics: one number each, marked as the repository's, and nothing else that its code could reach or change."""

import json
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.metric_children import NEEDS, MetricChildren
from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import OwnMetric
from pushline.evaluator.ports import Cancelled
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import assessed
from tests.fixtures.evaluator.story import Trained, first_work, gate, put_run

Y = np.array([0, 1, 1, 0])
ANSWERS = np.eye(2, dtype=np.float32)[[0, 1, 0, 0]]
HELPER = "HALF = 0.5\n"


def bundled(code: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("money/__init__.py", code)
        archive.writestr("money/helper.py", HELPER)
    return buffer.getvalue()


def computed(folder: Path, body: str, limits: Limits | None = None, answers: dict[str, Array] | None = None) -> OwnMetric:
    (folder / "metrics.zip").write_bytes(bundled(f"def profit(y, answers):\n    {body.replace(chr(10), chr(10) + '    ')}\n"))
    children = MetricChildren(limits or Limits(seconds=30), working_bubblewrap(), scratch=folder)
    said = children.compute(
        ["python:money:profit"], folder / "metrics.zip", {"y": Y}, answers or {"out": ANSWERS}, threading.Event()
    )
    assert [path.name for path in folder.iterdir()] == ["metrics.zip"]
    return said[0]


def test_a_function_gets_labels_and_answers_and_gives_one_number(tmp_path: Path) -> None:
    body = (
        "from money.helper import HALF\nfrom sklearn.metrics import accuracy_score\n"
        "return HALF * accuracy_score(y, answers.argmax(axis=1))"
    )

    assert computed(tmp_path, body) == OwnMetric("profit", "python:money:profit", 0.375)


def test_several_outputs_come_by_name(tmp_path: Path) -> None:
    body = "return float(answers['left'].sum() + answers['right'].sum() + (y == 1).sum())"

    assert computed(tmp_path, body, answers={"left": np.ones(4), "right": np.ones((4, 2))}).value == 14.0


WITHOUT_A_NUMBER = [
    ("raises", "raise KeyError('no such column')", "it raised KeyError: 'no such column'"),
    ("NaN", "return float('nan')", "it gave nan, which is no finite number"),
    ("infinity", "return 1e308 * 10", "it gave inf, which is no finite number"),
    ("a text", "return 'good'", "it raised ValueError: could not convert string to float"),
    ("nothing", "return None", "it raised TypeError"),
    ("leaves", "import os; os._exit(0)", "left no readable number"),
    ("a crash", "import ctypes; ctypes.string_at(0)", "the process that computed it ended with -11"),
    ("memory", "return float(len(bytearray(2**40)))", "it raised MemoryError"),
    ("a fork", "import os; return float(os.fork())", "it raised PermissionError"),
    ("a program", "import subprocess; return float(subprocess.call(['true']))", "it raised PermissionError"),
    ("the network", "import socket; socket.create_connection(('127.0.0.1', 80), 1)", "it raised PermissionError"),
    ("a link for a result", "import os; os.symlink('/etc/passwd', 'result.json'); os._exit(0)", "left no readable number"),
    ("a flood", "open('result.json', 'wb').write(b'1' * 2**26)", "it raised OSError"),
    ("another result", "import os; open('result.json', 'w').write('[1]'); os._exit(0)", "left no readable number"),
    (
        "a text as a result",
        "import os; open('result.json', 'w').write('{\"value\": \"1\"}'); os._exit(0)",
        "it gave no finite number",
    ),
    ("deep JSON", "import os; open('result.json', 'w').write('[' * 9000); os._exit(0)", "left no readable number"),
]


@pytest.mark.parametrize(("name", "body", "words"), WITHOUT_A_NUMBER, ids=[case[0] for case in WITHOUT_A_NUMBER])
def test_what_gives_no_number_has_none_and_says_why(name: str, body: str, words: str, tmp_path: Path) -> None:
    del name

    found = computed(tmp_path, body)

    assert found.value is None
    assert words in found.problem


def test_a_function_that_hangs_is_ended(tmp_path: Path) -> None:
    found = computed(tmp_path, "while True: pass", Limits(seconds=2))

    assert (found.value, found.problem) == (None, "the process that computed it did not end within 2 s")


def test_threads_that_fork_without_end_are_refused_as_well(tmp_path: Path) -> None:
    body = (
        "import os, threading\nrefused = []\n"
        "def fork():\n    try: os.fork()\n    except OSError as error: refused.append(error.errno)\n"
        "threads = [threading.Thread(target=fork) for _ in range(8)]\n"
        "[each.start() for each in threads]; [each.join() for each in threads]\nreturn float(len(refused))"
    )

    assert computed(tmp_path, body).value == 8.0


def test_it_reaches_nothing_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret"
    secret.write_text("secret")
    body = (
        "import os\nreached = 0\n"
        f"for path in ({str(secret)!r}, '/etc/shadow', '/root/.ssh', '/proc/1/environ'):\n"
        "    try:\n        open(path).read(); reached += path != '/proc/1/environ' or 'SECRET' in open(path).read()\n"
        "    except OSError: pass\nreturn float(reached)"
    )

    assert computed(tmp_path, body).value == 0.0


def test_without_bubblewrap_there_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "metrics.zip").write_bytes(bundled("def profit(y, answers): return 1.0\n"))

    (found,) = MetricChildren(Limits(), "").compute(
        ["python:money:profit"], tmp_path / "metrics.zip", {"y": Y}, {"out": ANSWERS}, threading.Event()
    )

    assert (found.value, found.problem) == (None, NEEDS)


def test_a_cancelled_one_ends(tmp_path: Path) -> None:
    (tmp_path / "metrics.zip").write_bytes(bundled("def profit(y, answers):\n    while True: pass\n"))
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()

    with pytest.raises(Cancelled):
        MetricChildren(Limits(seconds=60), working_bubblewrap()).compute(
            ["python:money:profit"], tmp_path / "metrics.zip", {"y": Y}, {"out": ANSWERS}, cancelled
        )


HOSTILE = """
import json, os
import numpy, sklearn.metrics
for name in ("mean", "sum", "argmax", "unique", "bincount"):
    setattr(numpy, name, lambda *_, **__: 1.0)
sklearn.metrics.accuracy_score = lambda *_, **__: 1.0
for name in ("metrics.json", "report.json", "measured.json", "together.npz", "answers.npz"):
    open(name, "w").write(json.dumps({"accuracy": 1.0, "verdict": "accepted"}))
def profit(y, answers):
    y[...] = answers.argmax(axis=1)
    return 7.0
def other(y, answers):
    return float(len(y))
"""


@pytest.fixture
def children() -> MetricChildren:
    return MetricChildren(Limits(seconds=30), working_bubblewrap())


def own(store: MemoryStore, code: str, *functions: str, minimum: float | None = None) -> Trained:
    gates = [gate("accuracy", 0.9)] + ([gate("profit", minimum)] if minimum is not None else [])
    names = tuple(f"python:money:{name}" for name in functions)
    return put_run(store, "digits", gates=gates, metrics=names, replaced={"metrics.zip": bundled(code)})


def test_hostile_code_changes_no_other_number(store: MemoryStore, child: LimitedChild, children: MetricChildren) -> None:
    plain = assessed(store, child, first_work(put_run(store, "digits", gates=[gate("accuracy", 0.9)])))

    found = assessed(store, child, first_work(own(store, HOSTILE, "profit", "other")), own_metrics=children)

    assert found.measured is not None
    assert plain.measured is not None
    assert found.measured.metrics == plain.measured.metrics
    assert (found.verdict, found.facts) == (plain.verdict, plain.facts)
    assert [(each.name, each.value) for each in found.own_metrics] == [("profit", 7.0), ("other", 360.0)]


def test_a_gate_may_name_it(store: MemoryStore, child: LimitedChild, children: MetricChildren) -> None:
    code = "def profit(y, answers): return 12.5\n"

    high = assessed(store, child, first_work(own(store, code, "profit", minimum=12.0)), own_metrics=children)
    low = assessed(store, child, first_work(own(store, code, "profit", minimum=13.0)), own_metrics=children)

    assert high.verdict.verdict == "accepted"
    assert (low.verdict.verdict, low.verdict.reason) == ("rejected", "below_gate")


@pytest.mark.parametrize("body", ["return float('nan')", "raise ValueError('no')", "import os; os.abort()"])
def test_a_gate_on_one_without_a_number_refuses_the_model(
    store: MemoryStore, child: LimitedChild, children: MetricChildren, body: str
) -> None:
    found = assessed(
        store, child, first_work(own(store, f"def profit(y, answers):\n    {body}\n", "profit", minimum=0.0)), own_metrics=children
    )

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "not_finite")


def test_without_its_files_or_a_way_to_compute_it_there_is_no_number(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits", metrics=("python:money:profit",), gates=[gate("accuracy", 0.9), gate("profit", 0.0)])

    found = assessed(store, child, first_work(trained))

    assert found.own_metrics == (OwnMetric("profit", "python:money:profit", None, "nothing computes it here"),)
    assert found.verdict.verdict == "rejected"
    assert json.dumps(found.own_metrics[0].problem)
