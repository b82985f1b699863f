"""pushline.toml of a model repository: what a committer may ask for, read strictly and merged with what the operator demands."""

import tomllib
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from pushline.objects.manifest import Gate
from pushline.objects.slices import parse_slices
from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.operator_file import Limits, ModelConfig, read_confidence
from pushline.runtime.strict_table import StrictTable, WrongKey
from pushline.trainer import metrics_bundle, requirements_file
from pushline.trainer.data import FOLDER as DATA
from pushline.trainer.data import DataFile, parse_data
from pushline.trainer.repository_evaluate import EvaluateTable, inside, read_evaluate
from pushline.trainer.repository_gates import DEFAULT_CONFIDENCE, WeakenedGate, merge_confidence, merge_gates, read_gates
from pushline.trainer.repository_tests import TestPlan, check_command, parse_command
from pushline.trainer.requirements_file import Pin, WrongRequirement, parse_requirements

NAME = "pushline.toml"
MAX_BYTES = 64 * 1024
REGRESSION = "regression"
TASKS = ("classification", "multilabel", REGRESSION)
MAX_LABELS, MAX_LABEL = 10_000, 200
MIN_QUANTILES, MAX_QUANTILES = 2, 99


class RepositoryFileError(Exception):
    """The run fails by its pushline.toml; the sentence names file and key."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True, slots=True)
class Plan:
    """How this commit is trained and judged: pushline.toml, with the operator's limits and gates in it."""

    task: str  # "" where the script's own loss and output decide
    labels: tuple[str, ...]
    script: str
    limits: Limits
    dataset: str  # "" where the script's own evaluation decides; else a file of the repository, python:module:function, or s3://…
    slices: tuple[str, ...]
    gates: tuple[Gate, ...]
    tests: TestPlan
    requirements: str = ""  # a file of the repository
    pins: tuple[Pin, ...] = ()  # what stands in it
    data: tuple[DataFile, ...] = ()
    from_store: DataFile | None = None  # the evaluation set, where it lies in the store
    metrics: tuple[str, ...] = ()  # of its own, python:module:function
    quantiles: tuple[float, ...] = ()  # that the columns of a regression's answers are
    confidence: float = DEFAULT_CONFIDENCE  # of the gates
    allow_breaking: bool = False  # inputs, outputs or labels may change against the live model


def read_repository_file(folder: Path, config: ModelConfig) -> Plan:
    """Read pushline.toml of a checkout; without one, everything is as the operator has it. Raises RepositoryFileError."""
    path = folder / NAME
    if not path.exists():
        return _checked(parse_repository_file("", config), folder)
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise RepositoryFileError("bad_repository_file", f"{NAME} is no file of at most {MAX_BYTES} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RepositoryFileError("bad_repository_file", f"{NAME} is not UTF-8") from None
    return _checked(parse_repository_file(text, config), folder)


def parse_repository_file(text: str, config: ModelConfig) -> Plan:
    """Raises RepositoryFileError. Looks at no file but the text."""
    try:
        return _plan(StrictTable(tomllib.loads(text)), config)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RepositoryFileError("bad_repository_file", f"{NAME} is no TOML: {error}") from None
    except _OtherModel as error:
        raise RepositoryFileError("other_model", f"{NAME}: {error}") from None
    except WeakenedGate as error:
        raise RepositoryFileError("weakened_gate", f"{NAME}: {error}") from None
    except WrongKey as error:
        raise RepositoryFileError("bad_repository_file", f"{NAME}: {error}") from None


class _OtherModel(WrongKey):
    pass


def _plan(table: StrictTable, config: ModelConfig) -> Plan:
    task, labels, quantiles = _model(table.table("model"), config)
    train = _train(table.table("train"), config.limits)
    tests = _tests(table.table("test"), config.limits)
    evaluate, slices = _evaluate(table.table("evaluate"), train.data)
    asked = table.table("gates")
    confidence = merge_confidence(config.confidence, read_confidence(asked))
    gates = merge_gates(config.gates, read_gates(asked))
    allow_breaking = _deploy(table.table("deploy"), config)
    table.finish()
    return Plan(
        task=task,
        labels=labels,
        script=train.script,
        limits=train.limits,
        dataset=evaluate.dataset,
        slices=slices,
        gates=gates,
        tests=tests,
        requirements=train.requirements,
        data=train.data,
        from_store=evaluate.from_store,
        metrics=evaluate.metrics,
        quantiles=quantiles,
        confidence=confidence,
        allow_breaking=allow_breaking,
    )


def _model(table: StrictTable, config: ModelConfig) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
    name = table.text("name", config.name)
    if name != config.name:
        raise _OtherModel(table.name("name"), f'"{name[:80]}" is another model; this repository and branch train "{config.name}"')
    task = table.parsed("task", _task, "")
    labels = table.texts("labels")
    if len(labels) > MAX_LABELS or any(len(label) > MAX_LABEL for label in labels):
        raise table.wrong("labels", f"has more than {MAX_LABELS} labels, or one longer than {MAX_LABEL} characters")
    if len(set(labels)) != len(labels):
        raise table.wrong("labels", "names a label twice")
    quantiles = _quantiles(table, task)
    table.finish()
    return REGRESSION if quantiles else task, labels, quantiles


def _quantiles(table: StrictTable, task: str) -> tuple[float, ...]:
    quantiles = table.numbers("quantiles")
    if not quantiles:
        return ()
    if task not in ("", REGRESSION):
        raise table.wrong("quantiles", f'only a regression has them, and model.task is "{task}"')
    if not MIN_QUANTILES <= len(quantiles) <= MAX_QUANTILES:
        raise table.wrong("quantiles", f"names {len(quantiles)}; it takes from {MIN_QUANTILES} to {MAX_QUANTILES}")
    if any(not 0 < quantile < 1 for quantile in quantiles):
        raise table.wrong("quantiles", "has one that is not between 0 and 1")
    if any(lower >= higher for lower, higher in pairwise(quantiles)):
        raise table.wrong("quantiles", "do not rise from each to the next")
    return quantiles


@dataclass(frozen=True, slots=True)
class _Train:
    script: str
    limits: Limits
    requirements: str
    data: tuple[DataFile, ...]


def _train(table: StrictTable, most: Limits) -> _Train:
    script = table.parsed("script", inside, "train.py")
    timeout = table.parsed("timeout", parse_duration, most.timeout_seconds)
    if timeout > most.timeout_seconds:
        raise table.wrong("timeout", f"{timeout:g} s is above the operator's limit of {most.timeout_seconds:g} s")
    memory = table.parsed("memory", parse_size, most.memory_bytes)
    if memory > most.memory_bytes:
        raise table.wrong("memory", f"{memory} bytes are above the operator's limit of {most.memory_bytes} bytes")
    requirements = table.parsed("requirements", inside, "")
    texts = table.texts("data")
    table.finish()
    try:
        data = parse_data(texts)
    except ValueError as error:
        raise table.wrong("data", str(error)) from None
    return _Train(script, replace(most, timeout_seconds=timeout, memory_bytes=memory), requirements, data)


def _tests(table: StrictTable, most: Limits) -> TestPlan:
    """Read [test]; `command` is a text, or a list of words."""
    timeout = table.parsed("timeout", parse_duration, most.timeout_seconds)
    if timeout > most.timeout_seconds:
        raise table.wrong("timeout", f"{timeout:g} s is above the operator's limit of {most.timeout_seconds:g} s")
    is_list = "command" in table and table.holds_list("command")
    command = table.texts("command") if is_list else table.parsed("command", parse_command, ())
    try:
        if is_list:
            check_command(command)
    except ValueError as error:
        raise table.wrong("command", str(error)) from None
    table.finish()
    return TestPlan(command, timeout)


def _evaluate(table: StrictTable, training_data: tuple[DataFile, ...]) -> tuple[EvaluateTable, tuple[str, ...]]:
    evaluate = read_evaluate(table, training_data)
    slices = table.texts("slices")
    try:
        parse_slices(slices)
    except ValueError as error:
        raise table.wrong("slices", str(error)) from None
    table.finish()
    return evaluate, slices


def _deploy(table: StrictTable, config: ModelConfig) -> bool:
    """Say whether callers of the live model may break."""
    table.parsed("strategy", _strategy, "immediate")
    allowed = table.flag("allow_breaking", default=False)
    if allowed and not config.allow_breaking:
        raise table.wrong("allow_breaking", "the operator's file forbids it for this model")
    table.finish()
    return allowed


def _task(text: str) -> str:
    if text not in TASKS:
        raise ValueError(f'"{text[:80]}" is none of {", ".join(TASKS)}')
    return text


def _strategy(text: str) -> str:
    if text != "immediate":
        raise ValueError(f'"{text[:80]}" is no strategy; known is immediate')
    return text


def _checked(plan: Plan, folder: Path) -> Plan:
    if not _is_file(folder, plan.script):
        raise RepositoryFileError(
            "no_script",
            f"{NAME}: train.script: the repository has no file {plan.script}; add it, or name the training script there",
        )
    if not _has_dataset(plan, folder):
        raise RepositoryFileError("bad_repository_file", f"{NAME}: evaluate.dataset: the repository has no file {plan.dataset}")
    for function in plan.metrics:
        if metrics_bundle.module_file(folder, function) is None:
            problem = f"the repository has no module {function.split(':')[1]}"
            raise RepositoryFileError("bad_repository_file", f"{NAME}: evaluate.metrics: {problem}")
    return replace(plan, pins=_pins(folder, plan.requirements)) if plan.requirements else plan


def _has_dataset(plan: Plan, folder: Path) -> bool:
    fetched = {f"{DATA}/{file.name}" for file in plan.data}
    return (
        not plan.dataset
        or plan.from_store is not None
        or plan.dataset.startswith("python:")
        or plan.dataset in fetched
        or _is_file(folder, plan.dataset)
    )


def _pins(folder: Path, name: str) -> tuple[Pin, ...]:
    if not _is_file(folder, name):
        raise RepositoryFileError("bad_repository_file", f"{NAME}: train.requirements: the repository has no file {name}")
    if (folder / name).stat().st_size > requirements_file.MAX_BYTES:
        raise RepositoryFileError("bad_requirements", f"{name} has more than {requirements_file.MAX_BYTES} bytes")
    try:
        return parse_requirements((folder / name).read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise RepositoryFileError("bad_requirements", f"{name} is not UTF-8") from None
    except WrongRequirement as error:
        raise RepositoryFileError("bad_requirements", f"{name}: {error}") from None


def _is_file(folder: Path, name: str) -> bool:
    path = folder / name
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())
