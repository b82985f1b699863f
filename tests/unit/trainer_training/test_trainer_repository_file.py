from dataclasses import replace
from pathlib import Path

import pytest

from pushline.evaluator.deciding import LEAST_CONFIDENCE, MOST_CONFIDENCE
from pushline.objects.manifest import Gate
from pushline.runtime import operator_file
from pushline.runtime.operator_file import GateConfig, Limits, ModelConfig
from pushline.trainer.data import DataFile
from pushline.trainer.repository_file import Plan, RepositoryFileError, parse_repository_file, read_repository_file
from pushline.trainer.repository_tests import TestPlan

LIMITS = Limits(timeout_seconds=3600.0, memory_bytes=4 * 1024**3, processes=256, disk_bytes=2 * 1024**3, output_bytes=1024**3)
CONFIG = ModelConfig(
    name="digits",
    repository="/srv/digits.git",
    branch="main",
    policy="latest",
    cancel_running=True,
    webhook_secrets=(),
    reconcile_interval_seconds=180.0,
    gates={"accuracy": GateConfig(0.8, None, 0.01)},
    limits=LIMITS,
)
NINE = ", ".join(f"'python:m:f{at}'" for at in range(9))
STRICT = replace(
    CONFIG,
    confidence=0.9,
    gates=CONFIG.gates
    | {
        "f1": GateConfig(0.1, None, None, sure=True, slice_min=0.6, slice_max_drop=0.1),
        "latency_p99_ms": GateConfig(None, 5.0, None),
        "program_bytes": GateConfig(None, None, 100.0, tolerance=0.1),
    },
)
FULL = """
[model]
name = "digits"
task = "classification"
labels = ["0", "1"]
[train]
script = "src/train.py"
timeout = "10m"
memory = "1GiB"
requirements = "requirements.txt"
data = ["s3://bucket/datasets/digits/train.csv#sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
[test]
command = "python -m pytest 'unit tests'"
timeout = "5m"
[evaluate]
dataset = "data/test.npz"
slices = ["label"]
[gates]
accuracy = { min = 0.95, max_drop = 0.005 }
recall = { min = 0.9 }
robust_accuracy = { min = 0.5, eps = 0.05 }
[deploy]
strategy = "immediate"
allow_breaking = true
"""


def test_a_full_file_is_read() -> None:
    plan = parse_repository_file(FULL, CONFIG)

    assert plan == Plan(
        task="classification",
        labels=("0", "1"),
        script="src/train.py",
        limits=Limits(600.0, 1024**3, 256, 2 * 1024**3, 1024**3),
        dataset="data/test.npz",
        slices=("label",),
        gates=(
            Gate("accuracy", 0.95, None, 0.005, {}, "repository"),
            Gate("recall", 0.9, None, None, {}, "repository"),
            Gate("robust_accuracy", 0.5, None, None, {"eps": 0.05}, "repository"),
        ),
        tests=TestPlan(("python", "-m", "pytest", "unit tests"), 300.0),
        requirements="requirements.txt",
        data=(DataFile("bucket", "datasets/digits/train.csv", "a" * 64),),
        allow_breaking=True,
    )


def test_without_a_file_everything_is_as_the_operator_has_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("pass\n")

    plan = read_repository_file(tmp_path, CONFIG)

    assert plan == Plan(
        "", (), "train.py", LIMITS, "", (), (Gate("accuracy", 0.8, None, 0.01, {}, "operator"),), TestPlan((), 3600.0)
    )


@pytest.mark.parametrize("task", ["", 'task = "regression"'])
def test_quantiles_make_a_regression(task: str) -> None:
    plan = parse_repository_file(f"[model]\n{task}\nquantiles = [0.1, 0.5, 0.9]\n", CONFIG)

    assert (plan.task, plan.quantiles) == ("regression", (0.1, 0.5, 0.9))


def test_several_labels_are_a_task() -> None:
    assert parse_repository_file('[model]\ntask = "multilabel"\n', CONFIG).task == "multilabel"


def test_a_bound_that_the_repository_leaves_out_stays_the_operators() -> None:
    (gate,) = parse_repository_file("[gates]\naccuracy = { min = 0.9 }\n", CONFIG).gates

    assert gate == Gate("accuracy", 0.9, None, 0.01, {}, "repository")


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("[model", "bad_repository_file", "is no TOML"),
        ("[training]\n", "bad_repository_file", "pushline.toml: training: unknown key; known are"),
        ("[model]\nnmae = 'digits'\n", "bad_repository_file", "model.nmae: unknown key; known are labels, name, quantiles, task"),
        ("[model]\nname = 7\n", "bad_repository_file", "model.name: 7 is not a text"),
        ("model = 7\n", "bad_repository_file", "model: 7 is not a table"),
        (
            "[model]\nname = 'other'\n",
            "other_model",
            'model.name: "other" is another model; this repository and branch train "digits"',
        ),
        ("[model]\ntask = 'guessing'\n", "bad_repository_file", "model.task"),
        ("[model]\nlabels = [1, 2]\n", "bad_repository_file", "model.labels"),
        ("[model]\nlabels = ['a', 'a']\n", "bad_repository_file", "names a label twice"),
        ("[model]\nquantiles = 0.5\n", "bad_repository_file", "model.quantiles: 0.5 is not a list"),
        ("[model]\nquantiles = [0.1, 'half']\n", "bad_repository_file", "model.quantiles: has something in it that is no number"),
        ("[model]\nquantiles = [0.1, nan]\n", "bad_repository_file", "model.quantiles: has something in it that is no number"),
        ("[model]\nquantiles = [true, 0.5]\n", "bad_repository_file", "model.quantiles: has something in it that is no number"),
        ("[model]\nquantiles = [0.5]\n", "bad_repository_file", "model.quantiles: names 1; it takes from 2 to 99"),
        ("[model]\nquantiles = [0, 0.5]\n", "bad_repository_file", "model.quantiles: has one that is not between 0 and 1"),
        ("[model]\nquantiles = [0.1, 1.0]\n", "bad_repository_file", "model.quantiles: has one that is not between 0 and 1"),
        ("[model]\nquantiles = [0.5, 0.1]\n", "bad_repository_file", "model.quantiles: do not rise from each to the next"),
        ("[model]\nquantiles = [0.5, 0.5]\n", "bad_repository_file", "model.quantiles: do not rise from each to the next"),
        (
            "[model]\ntask = 'multilabel'\nquantiles = [0.1, 0.9]\n",
            "bad_repository_file",
            'model.quantiles: only a regression has them, and model.task is "multilabel"',
        ),
        ("[train]\nscript = '../train.py'\n", "bad_repository_file", "train.script"),
        ("[train]\nscript = '/bin/sh'\n", "bad_repository_file", "train.script"),
        ("[train]\ntimeout = '2h'\n", "bad_repository_file", "train.timeout: 7200 s is above the operator's limit of 3600 s"),
        ("[train]\ntimeout = 60\n", "bad_repository_file", "train.timeout: 60 is not a text"),
        ("[train]\nmemory = '5GiB'\n", "bad_repository_file", "train.memory"),
        ("[train]\nmemory = 'much'\n", "bad_repository_file", "train.memory"),
        ("[train]\nrequirements = '../r.txt'\n", "bad_repository_file", "train.requirements"),
        ("[train]\ndata = ['s3://bucket/k']\n", "bad_repository_file", 'train.data: "s3://bucket/k" is not of the form'),
        (f"[train]\ndata = ['s3://bucket/a/../k#sha256={'0' * 64}']\n", "bad_repository_file", "has a name that no file may have"),
        (f"[train]\ndata = ['s3://bucket/a/.k#sha256={'0' * 64}']\n", "bad_repository_file", "has a name that no file may have"),
        (
            f"[train]\ndata = ['s3://bucket/a/k#sha256={'0' * 64}', 's3://bucket/b/K#sha256={'1' * 64}']\n",
            "bad_repository_file",
            'train.data: names "K" twice',
        ),
        ("[test]\ncommand = ''\n", "bad_repository_file", "test.command: is empty"),
        ('[test]\ncommand = "\'"\n', "bad_repository_file", "test.command: is no command"),
        ("[test]\ncommand = []\n", "bad_repository_file", "test.command: is no command"),
        ("[test]\ncommand = 7\n", "bad_repository_file", "test.command: 7 is not a text"),
        ("[test]\ntimeout = '2h'\n", "bad_repository_file", "test.timeout: 7200 s is above the operator's limit of 3600 s"),
        ("[evaluate]\ndataset = 's3://bkt/k'\n", "bad_repository_file", 'evaluate.dataset: "s3://bkt/k" is not of the form s3://'),
        (
            f"[train]\ndata = ['s3://bkt/k#sha256={'0' * 64}']\n[evaluate]\ndataset = 's3://bkt/k2#sha256={'0' * 64}'\n",
            "bad_repository_file",
            "evaluate.dataset: train.data names the same file; no training may see what its model is judged by",
        ),
        ("[evaluate]\nmetrics = 'python:m:f'\n", "bad_repository_file", "evaluate.metrics"),
        ("[evaluate]\nmetrics = ['m:f']\n", "bad_repository_file", 'evaluate.metrics: "m:f" is not python:module:function'),
        ("[evaluate]\nmetrics = ['python:m:Profit']\n", "bad_repository_file", "with a function in small letters"),
        ("[evaluate]\nmetrics = ['python:m:accuracy']\n", "bad_repository_file", "is a metric of Pushline's own"),
        ("[evaluate]\nmetrics = ['python:m:f', 'python:n:f']\n", "bad_repository_file", "has two functions of one name"),
        (f"[evaluate]\nmetrics = [{NINE}]\n", "bad_repository_file", "at most 8"),
        (
            "[gates]\nrecall = { min = 0.9 }\nrecall = { min = 0.1 }\n",
            "bad_repository_file",
            "is no TOML: Cannot overwrite a value",
        ),
        ("[gates]\nrecall = { min = 0.9 }\n[gates.recall]\nmin = 0.1\n", "bad_repository_file", "is no TOML"),
        ("[evaluate]\ndataset = 'python:x'\n", "bad_repository_file", "is not python:module:function"),
        ("[evaluate]\ndataset = '../x.npz'\n", "bad_repository_file", "evaluate.dataset"),
        ("[evaluate]\ndataset = 'x.csv'\n", "bad_repository_file", "evaluate.dataset"),
        ("[evaluate]\nslices = 'label'\n", "bad_repository_file", "evaluate.slices"),
        (
            "[evaluate]\nslices = ['age < 30']\n",
            "bad_repository_file",
            'evaluate.slices: "age < 30" is no slice: neither label, nor',
        ),
        ("[evaluate]\nslices = ['young: age <']\n", "bad_repository_file", "evaluate.slices:"),
        ("[evaluate]\nslices = ['label', 'label']\n", "bad_repository_file", 'evaluate.slices: names the slice "label" twice'),
        ("[gates]\naccuracy = { min = 0.7 }\n", "weakened_gate", "gates.accuracy.min: 0.7 is weaker than the operator's 0.8"),
        ("[gates]\naccuracy = { max_drop = 0.5 }\n", "weakened_gate", "gates.accuracy.max_drop"),
        ("[gates]\nconfidence = 0.85\n", "weakened_gate", "gates.confidence: 0.85 is weaker than the operator's 0.9"),
        (
            "[gates]\nconfidence = 1.0\n",
            "bad_repository_file",
            "gates.confidence: 1 is no confidence; give a number from 0.5 to 0.999",
        ),
        ("[gates]\nconfidence = 0\n", "bad_repository_file", "gates.confidence: 0 is no confidence"),
        ("[gates]\nconfidence = 'high'\n", "bad_repository_file", "gates.confidence: 'high' is no number"),
        ("[gates]\nconfidence = { min = 0.9 }\n", "bad_repository_file", "gates.confidence:"),
        ("[gates]\nf1 = { slice_min = 0.5 }\n", "weakened_gate", "gates.f1.slice_min: 0.5 is weaker than the operator's 0.6"),
        ("[gates]\nf1 = { slice_max_drop = 0.2 }\n", "weakened_gate", "gates.f1.slice_max_drop: 0.2 is weaker"),
        ("[gates]\nf1 = { sure = false }\n", "weakened_gate", "gates.f1.sure: false is weaker than the operator's true"),
        ("[gates]\nlatency_p99_ms = { tolerance = 0.6 }\n", "weakened_gate", "gates.latency_p99_ms.tolerance: 0.6 is weaker"),
        ("[gates]\nprogram_bytes = { tolerance = 0.2 }\n", "weakened_gate", "gates.program_bytes.tolerance: 0.2 is weaker"),
        ("[gates]\nrecall = { sure = 1 }\n", "bad_repository_file", "gates.recall.sure: 1 is not true or false"),
        ("[gates]\nrecall = { slice_max_drop = -1 }\n", "bad_repository_file", "gates.recall.slice_max_drop: -1.0 is below 0"),
        ("[gates]\nrecall = { tolerance = -1 }\n", "bad_repository_file", "gates.recall.tolerance: -1.0 is below 0"),
        ("[gates]\naccuracy = { min = 0.9 }\naccuracy = { min = 0.8 }\n", "bad_repository_file", "is no TOML"),
        ("[gates]\naccuracy = { minimum = 0.9 }\n", "bad_repository_file", "gates.accuracy.minimum: unknown key"),
        ("[gates]\naccuracy = 0.9\n", "bad_repository_file", "gates.accuracy: 0.9 is not a table"),
        ("[gates]\naccuracy = { min = nan }\n", "bad_repository_file", "gates.accuracy.min: nan is no number"),
        ("[gates]\naccuracy = { min = true }\n", "bad_repository_file", "gates.accuracy.min: True is no number"),
        ("[gates]\n'Bad Name' = { min = 1 }\n", "bad_repository_file", "is no name of a metric"),
        ("[deploy]\nstrategy = 'canary'\n", "bad_repository_file", "deploy.strategy"),
        ("[deploy]\nallow_breaking = 'yes'\n", "bad_repository_file", "deploy.allow_breaking: 'yes' is not true or false"),
    ],
)
def test_a_wrong_file_fails_the_run_and_names_the_key(text: str, reason: str, words: str) -> None:
    with pytest.raises(RepositoryFileError) as raised:
        parse_repository_file(text, STRICT)

    assert raised.value.reason == reason
    assert words in raised.value.sentence
    assert raised.value.sentence.startswith("pushline.toml")


def test_what_the_operator_forbids_fails_the_run() -> None:
    strict = replace(CONFIG, allow_breaking=False)

    assert not parse_repository_file("[deploy]\nallow_breaking = false\n", strict).allow_breaking
    with pytest.raises(RepositoryFileError) as raised:
        parse_repository_file("[deploy]\nallow_breaking = true\n", strict)

    assert raised.value.sentence == "pushline.toml: deploy.allow_breaking: the operator's file forbids it for this model"


@pytest.mark.parametrize("dataset", ["data/test.npz", "python:data:test_set", "python:package.data:test_set"])
def test_the_two_kinds_of_data_set_are_read(dataset: str) -> None:
    assert parse_repository_file(f"[evaluate]\ndataset = '{dataset}'\n", CONFIG).dataset == dataset


def test_a_data_set_in_the_store_is_read_with_its_digest() -> None:
    plan = parse_repository_file(f"[evaluate]\ndataset = 's3://bucket/sets/test.npz#sha256={'0' * 64}'\n", CONFIG)

    assert plan.from_store == DataFile("bucket", "sets/test.npz", "0" * 64)


def test_metrics_of_its_own_are_read_and_their_modules_have_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "money").mkdir()
    (tmp_path / "money/__init__.py").touch()
    (tmp_path / "pushline.toml").write_text("[evaluate]\nmetrics = ['python:money:profit']\n")
    assert read_repository_file(tmp_path, CONFIG).metrics == ("python:money:profit",)

    (tmp_path / "pushline.toml").write_text("[evaluate]\nmetrics = ['python:money:profit', 'python:money.lost:loss']\n")
    with pytest.raises(RepositoryFileError, match=r"evaluate\.metrics: the repository has no module money\.lost"):
        read_repository_file(tmp_path, CONFIG)


def test_what_tightens_the_operators_gates_is_merged_with_them() -> None:
    text = (
        "[gates]\nconfidence = 0.99\nf1 = { slice_min = 0.7, min = 0.5 }\nlatency_p99_ms = { tolerance = 0.1 }\n"
        "'recall.cat' = { min = 0.2, sure = true }\n"
    )

    plan = parse_repository_file(text, STRICT)

    assert plan.confidence == 0.99
    assert plan.gates == (
        Gate("accuracy", 0.8, None, 0.01, {}, "operator"),
        Gate("f1", 0.5, None, None, {}, "repository", sure=True, slice_minimum=0.7, slice_max_drop=0.1),
        Gate("latency_p99_ms", None, 5.0, None, {}, "repository", tolerance=0.1),
        Gate("program_bytes", None, None, 100.0, {}, "operator", tolerance=0.1),
        Gate("recall.cat", 0.2, None, None, {}, "repository", sure=True),
    )


def test_confidence_is_the_operators_where_the_repository_says_nothing_and_95_percent_where_nobody_does() -> None:
    assert parse_repository_file("", STRICT).confidence == 0.9
    assert parse_repository_file("", CONFIG).confidence == 0.95
    assert parse_repository_file("[gates]\nconfidence = 0.8\n", CONFIG).confidence == 0.8


def test_the_trainer_allows_the_confidences_that_the_evaluator_does() -> None:
    assert (operator_file.LEAST_CONFIDENCE, operator_file.MOST_CONFIDENCE) == (LEAST_CONFIDENCE, MOST_CONFIDENCE)


def test_slices_are_read_and_kept_as_they_stand() -> None:
    slices = ("label", "region", "x[3]", "young: age < 30 and region == 2")

    assert parse_repository_file(f"[evaluate]\nslices = {list(slices)}\n", CONFIG).slices == slices


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepositoryFileError, match=r"no file train\.py") as raised:
        read_repository_file(tmp_path, CONFIG)

    assert raised.value.reason == "no_script"


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "pushline.toml").write_text("[evaluate]\ndataset = 'data/test.npz'\n")

    with pytest.raises(RepositoryFileError, match=r"evaluate\.dataset: the repository has no file data/test\.npz"):
        read_repository_file(tmp_path, CONFIG)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pushline.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(RepositoryFileError, match="not UTF-8"):
        read_repository_file(tmp_path, CONFIG)
