"""Evaluation sets from the store: fetched, verified and frozen outside the sandbox, which never sees them; metrics of one's own."""

import hashlib
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.line.events import ModelTrained
from pushline.objects import keys, manifest
from pushline.objects.manifest import Manifest
from pushline.runtime.operator_file import DataConfig
from pushline.trainer.sandbox.unshare import Unshare
from tests.fixtures.trainer_sandbox.trainings import LIMITS, SAVES, Bench

MARK = b"the canary of the evaluation set"
KEY = "datasets/digits/test.npz"


def npz(**arrays: Any) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


SET = npz(x=np.frombuffer(MARK * 9, np.uint8).reshape(9, -1), y=np.arange(9))
DIGEST = hashlib.sha256(SET).hexdigest()
ADDRESS = f"s3://line/{KEY}#sha256={DIGEST}"
LOOKS_EVERYWHERE = f"""
import os, sys, time
mark = {MARK[:16]!r} + {MARK[16:]!r}
found = []

def look(path):
    try:
        about = os.stat(path)
        if about.st_size == {len(SET)} or time.time() - about.st_mtime < 3600 or path.startswith(("/proc", "/dev/fd")):
            with open(path, "rb") as file:
                if mark in file.read(1 << 26):
                    found.append(path)
    except OSError:
        pass

for folder, inner, names in os.walk("/", followlinks=False):
    if folder == "/":
        inner[:] = [name for name in inner if name not in ("proc", "sys", "dev")]
    for name in names:
        look(os.path.join(folder, name))
for process in os.listdir("/proc"):
    if process.isdigit():
        for name in ("cmdline", "environ"):
            look(f"/proc/{{process}}/{{name}}")
        try:
            for number in os.listdir(f"/proc/{{process}}/fd"):
                place = os.readlink(f"/proc/{{process}}/fd/{{number}}")
                if place.startswith("/") and not place.startswith("/dev"):
                    look(f"/proc/{{process}}/fd/{{number}}")
        except OSError:
            pass
found = [path for path in found if os.path.basename(path) != "train.py"]
if found or {DIGEST!r} in repr((sys.argv, dict(os.environ))):
    raise SystemExit("found in " + ", ".join(found))
"""


@pytest.fixture(params=["bubblewrap", "unshare"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made = Bench(tmp_path, limits=replace(LIMITS, timeout_seconds=90.0))  # a newly installed machine has much to look through
    made.store.put_bytes(KEY, SET)
    if request.param == "unshare":
        made.training.sandbox = Unshare(made.training.sandbox.training_python, tmp_path / "work")  # type: ignore[attr-defined]  # a rung
    return made


def pushed(bench: Bench, script: str, toml: str, **files: str) -> ModelTrained:
    return bench.trained(bench.push(script, {"pushline.toml": toml, **files}))


def evaluated(address: str = ADDRESS) -> str:
    return f'[evaluate]\ndataset = "{address}"\n'


def manifest_of(bench: Bench, event: ModelTrained) -> Manifest:
    return manifest.load(bench.store.read_bytes(keys.manifest("digits", event.run_id, event.manifest_sha256)))


def test_the_set_is_frozen_and_the_script_finds_it_nowhere(bench: Bench) -> None:
    event = pushed(bench, LOOKS_EVERYWHERE + SAVES, evaluated())

    assert event.outcome == "succeeded", event.sentence
    dataset = manifest_of(bench, event).dataset
    assert dataset is not None
    assert (dataset.sha256, dataset.size, dataset.rows, dataset.origin) == (DIGEST, len(SET), 9, "store")
    assert dataset.taken_from == f"s3://line/{KEY}"
    assert bench.store.read_bytes(keys.dataset("digits", DIGEST)) == SET
    assert bench.leftovers() == []


def test_what_looks_for_it_would_find_it(bench: Bench) -> None:
    """The same bytes and a few more, shown as training data: so the test above can fail."""
    shown = SET + b" "
    bench.store.put_bytes("datasets/digits/shown.bin", shown)
    address = f"s3://line/datasets/digits/shown.bin#sha256={hashlib.sha256(shown).hexdigest()}"

    event = pushed(bench, LOOKS_EVERYWHERE + SAVES, f'[train]\ndata = ["{address}"]\n' + evaluated())

    assert event.reason == "script_failed"
    assert "found in /tmp/work/data/shown.bin" in event.sentence


REFUSED = [
    ("missing", lambda _: ADDRESS.replace("test", "no"), "data_missing", "no.npz is not there"),
    ("digest", lambda _: ADDRESS.replace(DIGEST, "0" * 64), "data_wrong_digest", f"has SHA-256 {DIGEST}, not {'0' * 64}"),
    ("another model's", lambda _: ADDRESS.replace("digits", "other"), "data_not_allowed", "where this model's data may lie"),
    ("another bucket", lambda _: ADDRESS.replace("//line", "//elsewhere"), "data_not_allowed", "s3://elsewhere/"),
    ("no digest", lambda _: f"s3://line/{KEY}", "bad_repository_file", "is not of the form s3://bucket/key#sha256="),
    ("cut short", lambda bench: put(bench, SET[:-40]), "bad_dataset", "it is no readable .npz file"),
    ("no y", lambda bench: put(bench, npz(x=np.ones(3))), "bad_dataset", "array y is missing; there is x"),
    ("empty", lambda bench: put(bench, npz(x=np.ones(0), y=np.ones(0))), "bad_dataset", "it is empty"),
    ("objects", lambda bench: put(bench, npz(x=np.array([{}, 1]), y=np.ones(2))), "bad_dataset", "plain numbers are needed"),
]


def put(bench: Bench, data: bytes) -> str:
    bench.store.put_bytes(KEY, data)
    return f"s3://line/{KEY}#sha256={hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize(("name", "address", "reason", "words"), REFUSED, ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_a_set_that_cannot_be_had_or_used_fails_the_run_before_the_script(
    bench: Bench, name: str, address: Any, reason: str, words: str
) -> None:
    del name
    event = pushed(bench, "raise SystemExit('it ran')\n", evaluated(address(bench)))

    assert (event.outcome, event.reason, event.sandbox) == ("failed", reason, "")
    assert words in event.sentence
    assert bench.leftovers() == []
    assert pushed(bench, SAVES, evaluated(put(bench, SET))).outcome == "succeeded"


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_a_set_above_the_operators_limit_fails_the_run(bench: Bench) -> None:
    bench.data = DataConfig((), len(SET) - 1)

    assert pushed(bench, SAVES, evaluated()).reason == "data_too_large"


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_what_the_operator_allows_may_be_named(bench: Bench) -> None:
    bench.data = DataConfig(("s3://shared/sets/",))
    bench.store.put_bytes("sets/test.npz", SET)

    assert pushed(bench, SAVES, evaluated(f"s3://shared/sets/test.npz#sha256={DIGEST}")).outcome == "succeeded"


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_what_judged_a_model_once_is_never_shown_to_a_training_of_it(bench: Bench) -> None:
    assert pushed(bench, SAVES, evaluated()).outcome == "succeeded"

    for address in (ADDRESS, f"s3://line/{keys.dataset('digits', DIGEST)}#sha256={DIGEST}"):
        event = pushed(bench, SAVES, f'[train]\ndata = ["{address}"]\n')
        assert (event.outcome, event.reason) == ("failed", "data_is_evaluation_set")
        assert "is an evaluation set of this model, which no training of it may see" in event.sentence


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_a_set_changes_nothing_of_where_a_store_that_is_away_is_waited_for(bench: Bench) -> None:
    run = bench.push(SAVES, {"pushline.toml": evaluated()})
    bench.store.spoil_writes(True)
    with pytest.raises(Exception, match="store: "):
        bench.train(run)
    bench.store.spoil_writes(False)

    event = bench.trained(run)

    assert event.outcome == "succeeded"
    assert bench.store.read_bytes(keys.dataset("digits", DIGEST)) == SET


METRICS = '[evaluate]\nmetrics = ["python:money:profit"]\n'
PROFIT = "def profit(y, answers):\n    return 1.0\n"


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_the_files_of_the_repositorys_metrics_are_those_of_the_commit(bench: Bench) -> None:
    """The script writes others, into its folder and among the outputs: they count nowhere."""
    writes = (
        "out = __import__('sys').argv[__import__('sys').argv.index('--out') + 1]\n"
        "for name in ('metrics.zip', 'metrics.json'):\n    open(f'{out}/{name}', 'w').write('accuracy: 1.0')\n"
        "open('metrics.json', 'w').write('{\"accuracy\": 1.0}')\nopen('money.py', 'w').write('def profit(y, a): return 1e9')\n"
    )

    event = pushed(bench, writes + SAVES, METRICS, **{"money.py": PROFIT, "metrics.json": '{"accuracy": 1.0}'})

    assert event.outcome == "succeeded", event.sentence
    about = manifest_of(bench, event)
    assert about.metrics == ("python:money:profit",)
    (bundle,) = [file for file in about.files if file.name == "metrics.zip"]
    assert [file.name for file in about.files if file.name == "metrics.json"] == []
    with zipfile.ZipFile(BytesIO(bench.store.read_bytes(keys.model_file("digits", bundle.sha256, "metrics.zip")))) as archive:
        assert archive.read("money.py").decode() == PROFIT
        assert "metrics.json" not in archive.namelist()


@pytest.mark.parametrize("bench", ["bubblewrap"], indirect=True)
def test_without_metrics_of_its_own_no_files_go_along(bench: Bench) -> None:
    event = pushed(bench, SAVES, "", **{"money.py": PROFIT})

    assert [file.name for file in manifest_of(bench, event).files] == ["model.h5", "program.tflite", "answers.npz"]
