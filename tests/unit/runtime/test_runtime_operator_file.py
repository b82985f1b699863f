from pathlib import Path

import pytest

from pushline.runtime.operator_file import GateConfig, Limits, OperatorFileError, read_operator_file

FULL = """
[[models]]
name = "digits"
repository = "https://git.example.com/team/digits.git"
branch = "release/2"
policy = "latest"
cancel_running = false
allow_breaking = false
webhook_secret_files = ["secrets/new", "secrets/old"]
reconcile_interval = "30s"
[models.gates]
accuracy = { min = 0.8, max_drop = 0 }
[models.limits]
timeout = "10m"
memory = "1GiB"
processes = 64
disk = "100MiB"
output = "10MiB"

[[models]]
name = "diabetes"
repository = "repositories/diabetes.git"

[up]
state = "state-of-the-line"
"""
MODEL = '[[models]]\nname = "digits"\nrepository = "/srv/digits.git"\n'


def write(folder: Path, text: str) -> Path:
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets/new").write_text("the-new-secret-of-digits\n")
    (folder / "secrets/old").write_text("the-old-secret-of-digits")
    (folder / "secrets/short").write_text("short\n")
    path = folder / "pushline-line.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(OperatorFileError) as caught:
        read_operator_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.problem


def test_a_full_file_is_read(tmp_path: Path) -> None:
    file = read_operator_file(write(tmp_path, FULL))

    digits = file.models[0]
    assert digits.ref == "refs/heads/release/2"
    assert digits.webhook_secrets == (b"the-new-secret-of-digits", b"the-old-secret-of-digits")
    assert digits.cancel_running is False
    assert digits.allow_breaking is False
    assert digits.reconcile_interval_seconds == 30
    assert digits.gates == {"accuracy": GateConfig(min=0.8, max=None, max_drop=0.0)}
    assert digits.limits == Limits(600, 1024**3, 64, 100 * 1024**2, 10 * 1024**2)
    assert file.up.state == tmp_path / "state-of-the-line"


def test_gates_have_a_confidence_and_bounds_on_slices_and_costs(tmp_path: Path) -> None:
    gates = (
        "[models.gates]\nconfidence = 0.99\nf1 = { slice_min = 0.5, sure = true }\nlatency_p99_ms = { max = 5, tolerance = 0.2 }\n"
    )

    (model,) = read_operator_file(write(tmp_path, MODEL + gates + "'recall.cat' = { slice_max_drop = 0.1 }\n")).models

    assert model.confidence == 0.99
    assert model.gates == {
        "f1": GateConfig(None, None, None, sure=True, slice_min=0.5),
        "latency_p99_ms": GateConfig(None, 5.0, None, tolerance=0.2),
        "recall.cat": GateConfig(None, None, None, slice_max_drop=0.1),
    }


def test_what_is_left_out_has_defaults_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = read_operator_file(write(tmp_path, FULL))

    model = file.model("diabetes")
    assert model is not None
    assert model.repository == str(tmp_path / "repositories/diabetes.git")
    assert (model.branch, model.policy, model.cancel_running) == ("main", "latest", True)
    assert model.allow_breaking is True
    assert model.limits == Limits(3600, 4 * 1024**3, 256, 2 * 1024**3, 1024**3)
    assert model.webhook_secrets == ()
    assert file.model("none-such") is None


def test_secrets_are_not_in_repr(tmp_path: Path) -> None:
    assert "secret-of-digits" not in repr(read_operator_file(write(tmp_path, FULL)))


@pytest.mark.parametrize(
    "repository",
    [
        "https://host/a.git",
        "ssh://git@host:2222/a.git",
        "git@host:team/a.git",
        "host:a.git",
        "file:///srv/a.git",
        "http://host:8080/a",
    ],
)
def test_an_address_stays_as_it_is(tmp_path: Path, repository: str) -> None:
    text = f'[[models]]\nname = "a"\nrepository = "{repository}"\n'

    assert read_operator_file(write(tmp_path, text)).models[0].repository == repository


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[models]\n", "is no TOML"),
        ("[models]\n", "models: {} is not a list"),
        ("models = [1]\n", "models: is no array of tables"),
        ("[model]\n", "model: unknown key; known are models, up"),
        ("[up]\nstat = 1\n", "up.stat: unknown key; known are state"),
        ("[up]\nstate = 1\n", "up.state: 1 is not a text"),
        ('[[models]]\nrepository = "/srv/a"\n', "models[0].name: is missing"),
        ('[[models]]\nname = "a"\n', "models[0].repository: is missing"),
        (MODEL + "name2 = 1\n", "models[0].name2: unknown key"),
        (MODEL.replace("digits", "Digits", 1), 'models[0].name: "Digits" is no model name'),
        (MODEL.replace('"digits"', '"-digits"'), "models[0].name:"),
        (MODEL.replace('"digits"', '"a/../b"'), "models[0].name:"),
        (MODEL.replace('"digits"', f'"{"a" * 64}"'), "models[0].name:"),
        (MODEL.replace('"digits"', '""'), "models[0].name: is empty"),
        (MODEL.replace('"digits"', "7"), "models[0].name: 7 is not a text"),
        (MODEL.replace("/srv/digits.git", "ext::sh -c id"), "models[0].repository:"),
        (MODEL.replace("/srv/digits.git", "--upload-pack=id"), "models[0].repository:"),
        (MODEL.replace("/srv/digits.git", "ftp://host/a"), 'models[0].repository: "ftp" is none of https, http'),
        (MODEL.replace("/srv/digits.git", "https://user:token@host/a.git"), "models[0].repository: has credentials in it"),
        (MODEL.replace("/srv/digits.git", "https://token@host/a.git"), "models[0].repository: has credentials in it"),
        (MODEL + 'branch = "refs/heads/main"\n', "models[0].branch:"),
        (MODEL + 'branch = "a..b"\n', "models[0].branch:"),
        (MODEL + 'branch = "-d"\n', "models[0].branch:"),
        (MODEL + 'branch = "a b"\n', "models[0].branch:"),
        (MODEL + 'policy = "newest"\n', 'models[0].policy: "newest" is no policy; known are latest, every'),
        (MODEL + 'cancel_running = "yes"\n', "models[0].cancel_running: 'yes' is not true or false"),
        (MODEL + "allow_breaking = 0\n", "models[0].allow_breaking: 0 is not true or false"),
        (MODEL + 'reconcile_interval = "soon"\n', 'models[0].reconcile_interval: "soon" is no duration'),
        (MODEL + 'webhook_secret_files = "secrets/new"\n', "models[0].webhook_secret_files: 'secrets/new' is not a list"),
        (MODEL + 'webhook_secret_files = ["secrets/none"]\n', "models[0].webhook_secret_files: cannot read"),
        (MODEL + 'webhook_secret_files = ["secrets/short"]\n', "models[0].webhook_secret_files:"),
        (MODEL + "webhook_secret_files = [1]\n", "models[0].webhook_secret_files: has something in it that is no text"),
        (MODEL + "[models.gates]\naccuracy = 0.9\n", "models[0].gates.accuracy: 0.9 is not a table"),
        (
            MODEL + "[models.gates]\naccuracy = {}\n",
            "models[0].gates.accuracy: has none of min, max, max_drop, slice_min, slice_max_drop",
        ),
        (MODEL + "[models.gates]\naccuracy = { mim = 1 }\n", "models[0].gates.accuracy.mim: unknown key"),
        (MODEL + "[models.gates]\naccuracy = { min = nan }\n", "models[0].gates.accuracy.min: nan is no number"),
        (MODEL + "[models.gates]\naccuracy = { min = true }\n", "models[0].gates.accuracy.min: True is no number"),
        (MODEL + "[models.gates]\naccuracy = { max_drop = -1 }\n", "models[0].gates.accuracy.max_drop: -1.0 is below 0"),
        (MODEL + "[models.gates]\naccuracy = { sure = true }\n", "models[0].gates.accuracy: has none of min, max"),
        (MODEL + "[models.gates]\naccuracy = { tolerance = 0.1 }\n", "models[0].gates.accuracy: has none of min, max"),
        (
            MODEL + "[models.gates]\naccuracy = { slice_max_drop = -1 }\n",
            "models[0].gates.accuracy.slice_max_drop: -1.0 is below 0",
        ),
        (MODEL + "[models.gates]\nconfidence = 2\n", "models[0].gates.confidence: 2 is no confidence; give a number from 0.5"),
        (MODEL + "[models.gates]\nconfidence = nan\n", "models[0].gates.confidence: nan is no number"),
        (MODEL + '[models.gates]\n"Ac curacy" = { min = 1 }\n', "models[0].gates.Ac curacy: is no name of a metric"),
        (MODEL + '[models.limits]\nmemory = "4G"\n', 'models[0].limits.memory: "4G" is no size'),
        (MODEL + "[models.limits]\nprocesses = 0\n", "models[0].limits.processes: 0 is below 1"),
        (MODEL + "[models.limits]\nprocesses = true\n", "models[0].limits.processes: True is not a whole number"),
        (MODEL + '[models.limits]\ncpu = "1"\n', "models[0].limits.cpu: unknown key"),
        (MODEL + MODEL.replace("/srv/digits", "/srv/other"), 'models[1].name: "digits" is models[0] already'),
        (MODEL + MODEL.replace('"digits"', '"b"'), "models[1].repository: this repository and branch are models[0] already"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorFileError, match=r"none\.toml: cannot be read: No such file"):
        read_operator_file(tmp_path / "none.toml")


def test_a_secret_is_never_in_a_message(tmp_path: Path) -> None:
    said = refusal(tmp_path, MODEL + 'webhook_secret_files = ["secrets/short"]\n')

    assert "has 5 bytes; a secret needs at least 16" in said
    assert '"short"' not in said


def test_one_repository_may_hold_two_models_on_two_branches(tmp_path: Path) -> None:
    text = MODEL + MODEL.replace('"digits"', '"candidate"') + 'branch = "candidate"\n'

    assert len(read_operator_file(write(tmp_path, text)).models) == 2
