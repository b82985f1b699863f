"""Packages of a repository: real uv, wheels made by hand, the real sandbox, a small script in the launcher's place."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.events import ModelTrained
from pushline.line.stage import Transient
from pushline.objects import keys, manifest
from pushline.trainer.adapters.uv_command import Bounds
from tests.fixtures.trainer_sandbox.trainings import LIMITS, SAVES, TRAINING_PYTHON, Bench, MiB
from tests.fixtures.trainer_training.wheels import make_source, make_wheel

TOML = "[train]\nrequirements = 'requirements.txt'\n"
PRINTS = "import shapes, colours; print('shapes', shapes.version, colours.version)\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    make_wheel(tmp_path / "wheels", "shapes", "1.0", ["colours>=1"])
    make_wheel(tmp_path / "wheels", "colours", "1.2")
    return made


def trained(bench: Bench, requirements: str, script: str = SAVES) -> ModelTrained:
    return bench.trained(bench.push(script, {"requirements.txt": requirements, "pushline.toml": TOML}))


def environments(bench: Bench) -> list[Path]:
    return [path for path in (bench.folder / "work/environments").iterdir() if path.is_dir()]


def test_what_a_repository_pins_is_there_for_its_script_compiled_and_read_only(bench: Bench) -> None:
    checks = "import os\ntry:\n    open(shapes.__file__, 'a')\nexcept OSError as error: print('refused:', error.strerror)\n"
    run = bench.push(PRINTS + checks + SAVES, {"requirements.txt": "# ours\nshapes==1.0  # with colours\n", "pushline.toml": TOML})

    event = bench.trained(run)

    assert event.outcome == "succeeded", event.sentence
    log = bench.try_file(run, "log.txt")
    assert b"packages of requirements.txt: colours==1.2, shapes==1.0" in log
    assert b"shapes 1.0 1.2\nrefused: Read-only file system\n" in log
    (environment,) = environments(bench)
    assert list(environment.glob("packages/shapes/__pycache__/*.pyc"))
    made = manifest.load(bench.store.read_bytes(keys.manifest("digits", run.run_id, event.manifest_sha256)))
    assert made.environment_sha256 != bench.training.sandbox.environment_sha256


def test_an_environment_is_made_once(bench: Bench) -> None:
    assert trained(bench, "shapes==1.0\n", PRINTS + SAVES).outcome == "succeeded"
    for wheel in (bench.folder / "wheels").iterdir():
        wheel.unlink()

    event = trained(bench, "# another comment\nshapes == 1.0\n", PRINTS + "print('again')\n" + SAVES)

    assert event.outcome == "succeeded", event.sentence
    assert len(environments(bench)) == 1


def test_what_the_training_environment_has_is_not_installed_again(bench: Bench) -> None:
    bench.training = bench.made(TRAINING_PYTHON)
    make_wheel(bench.folder / "wheels", "hub", "1.0", ["tensorflow>=2.0", "numpy"])

    event = trained(bench, "hub==1.0\ntensorflow==2.21.0\nkeras==3.15.1\n")

    assert event.outcome == "succeeded", event.sentence
    (environment,) = environments(bench)
    assert json.loads((environment / "packages.json").read_text()) == ["hub==1.0"]


@pytest.mark.parametrize(
    ("requirements", "reason", "words"),
    [
        pytest.param("keras==3.10.0", "requirements_conflict", ["keras==3.10.0", "has keras 3.15.1"], id="another Keras"),
        pytest.param("tensorflow==2.15.0", "requirements_conflict", ["==2.15.0", "tensorflow-cpu 2.21.0"], id="another TensorFlow"),
        pytest.param(
            "oldkeras==1.0", "requirements_conflict", ["keras<3", "keras==3.15.1"], id="a package that wants another Keras"
        ),
        pytest.param(
            "shapes==1.0\nfoes==1.0", "requirements_conflict", ["colours<1", "shapes==1.0"], id="packages that do not go together"
        ),
        pytest.param("nosuch==1.0", "requirements_unresolvable", ["nosuch is nowhere to be found"], id="no such package"),
        pytest.param("shapes==9.0", "requirements_unresolvable", ["shapes==9.0 is nowhere to be found"], id="no such version"),
        pytest.param(
            "sourceonly==1.0", "requirements_need_building", ["sourceonly==1.0 comes without a wheel"], id="needs building"
        ),
        pytest.param(
            f"shapes==1.0 --hash=sha256:{'0' * 64}",
            "requirements_unresolvable",
            ["shapes==1.0 does not have the hash"],
            id="wrong hash",
        ),
        pytest.param("-e .", "bad_requirements", ['line 1: "-e ." is an option'], id="an option"),
        pytest.param("--index-url https://evil.example/simple", "bad_requirements", ["is an option"], id="an index"),
        pytest.param("shapes @ https://evil.example/x.whl", "bad_requirements", ["names an address or a path"], id="an address"),
        pytest.param("shapes>=1.0", "bad_requirements", ['"shapes>=1.0" is no pin of the form name==version'], id="no pin"),
        pytest.param("shapes==1.*", "bad_requirements", ["is no pin"], id="a pattern"),
    ],
)
def test_requirements_that_cannot_be_met_fail_the_run_with_one_sentence(
    bench: Bench, requirements: str, reason: str, words: list[str]
) -> None:
    bench.training = bench.made(TRAINING_PYTHON)
    make_wheel(bench.folder / "wheels", "oldkeras", "1.0", ["keras<3"])
    make_wheel(bench.folder / "wheels", "foes", "1.0", ["colours<1"])
    make_source(bench.folder / "wheels", "sourceonly", "1.0", bench.folder / "built")

    event = trained(bench, requirements)

    assert (event.outcome, event.reason, event.sandbox) == ("failed", reason, ""), event.sentence
    assert all(word in event.sentence for word in words), event.sentence
    assert event.sentence.startswith("requirements.txt")
    assert "\n" not in event.sentence
    assert not (bench.folder / "built").exists()
    assert bench.leftovers() == []


def test_after_requirements_that_failed_the_next_commit_trains(bench: Bench) -> None:
    assert trained(bench, "nosuch==1.0").outcome == "failed"

    assert trained(bench, "shapes==1.0", PRINTS + SAVES).outcome == "succeeded"


def test_an_index_that_is_away_is_waited_for_and_leaves_one_try_and_no_secret(bench: Bench) -> None:
    config = bench.folder / "uv.toml"
    kept = config.read_text()
    config.write_text('[[index]]\nurl = "http://me:canary-of-the-index@127.0.0.1:9/simple"\ndefault = true\n')
    run = bench.push(PRINTS + SAVES, {"requirements.txt": "shapes==1.0\n", "pushline.toml": TOML})
    for _ in range(2):
        with pytest.raises(Transient, match=r"packages for requirements\.txt: .*Failed to fetch.*127\.0\.0\.1") as raised:
            bench.train(run)
        assert "canary" not in str(raised.value)
    assert b"waits: packages for" in bench.try_file(run, "log.txt")
    config.write_text(kept)

    assert bench.trained(run).outcome == "succeeded"
    stored = list(bench.store.list("runs/"))
    assert len([key for key in stored if key.endswith("/started")]) == 1
    assert not any(b"canary" in bench.store.read_bytes(key) for key in stored)


def test_packages_above_the_size_or_the_time_fail_the_run(bench: Bench) -> None:
    make_wheel(bench.folder / "wheels", "huge", "1.0", files={"huge/data.txt": "x" * MiB})
    bench.bounds = Bounds(60.0, MiB)
    bench.training = bench.made(Path(TRAINING_PYTHON))
    assert trained(bench, "huge==1.0").reason == "requirements_too_large"

    bench.bounds = Bounds(0.0, MiB)
    bench.training = bench.made(Path(TRAINING_PYTHON))
    assert trained(bench, "shapes==1.0").reason == "requirements_timeout"


def test_a_cancel_ends_the_making_of_an_environment(bench: Bench) -> None:
    bench.cancelled.set()
    run = bench.push(SAVES, {"requirements.txt": "shapes==1.0\n", "pushline.toml": TOML})
    assert bench.train(run) is None
    bench.cancelled.clear()

    assert bench.trained(run).outcome == "succeeded"


def test_the_one_that_was_not_used_for_longest_goes_and_none_in_use(bench: Bench) -> None:
    cache, never = bench.training.preparation.environments.cache, threading.Event()
    small = replace(cache, max_entries=2)

    def make(folder: Path) -> None:
        (folder / "x").write_text("x")

    with small.lease("used", make, never):
        for name in ("older", "newer", "newest"):
            with small.lease(hashlib.sha256(name.encode()).hexdigest(), make, never) as there:
                assert (there / "x").is_file()

        assert sorted(small.keys()) == sorted(["used", hashlib.sha256(b"newest").hexdigest()])


def test_the_environment_of_the_operator_never_reaches_the_sandbox(bench: Bench) -> None:
    bench.limits = LIMITS
    script = "import os; print(sorted(name for name in os.environ if name.startswith(('UV_', 'PIP_'))))\n"
    run = bench.push(script + SAVES, {"requirements.txt": "shapes==1.0\n", "pushline.toml": TOML})

    assert bench.trained(run).outcome == "succeeded"
    assert b"\n[]\n" in bench.try_file(run, "log.txt")
