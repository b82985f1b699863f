"""result.json, what the launcher says of a script's end. It comes out of the sandbox, so every field is checked."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushline.objects.manifest import DYNAMIC, ENGINES, Program, TensorSpec
from pushline.trainer.sandbox.streams import printable

NAME = "result.json"
MAX_BYTES = 3 * 1024 * 1024
MAX_TENSORS, MAX_PROGRAMS, MAX_RANK, MAX_METRICS, MAX_EPOCHS = 64, 16, 16, 64, 20_000
MAX_TEXT = 2_000
REASONS = ("script_failed", "no_model", "not_a_model", "non_finite_weights", "not_servable", "bad_dataset")


class BadResult(Exception):
    """result.json is not as the launcher writes it; the message names the field."""


@dataclass(frozen=True, slots=True)
class FrozenSet:
    file: str
    rows: int
    taken_from: str


@dataclass(frozen=True, slots=True)
class LaunchResult:
    succeeded: bool
    reason: str
    sentence: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    programs: tuple[Program, ...]
    task: str
    from_logits: bool
    loss: str
    dataset: FrozenSet | None
    dataset_problem: str
    history: dict[str, tuple[float | None, ...]]
    versions: dict[str, str]
    seeds: dict[str, int]
    engine: str = ENGINES[0]


def read_result(path: Path) -> LaunchResult:
    """Raises BadResult."""
    if path.stat().st_size > MAX_BYTES:
        raise BadResult(f"{NAME} has more than {MAX_BYTES} bytes")
    try:
        plain = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadResult(f"{NAME} is not JSON") from None
    return _result(_Fields(plain if isinstance(plain, dict) else {}, NAME))


class _Fields:
    """An object whose fields are asked for by type; one that is missing has the type's empty value."""

    def __init__(self, plain: dict[str, Any], where: str) -> None:
        self._plain, self._where = plain, where

    def text(self, name: str) -> str:
        return printable(self._take(name, str, ""))[:MAX_TEXT]

    def flag(self, name: str) -> bool:
        value: bool = self._take(name, bool, False)
        return value

    def number(self, name: str) -> int:
        value: int = self._take(name, int, 0)
        if not 0 <= value < 2**31:
            raise BadResult(f"{self._where}: {name} is out of range")
        return value

    def each(self, name: str, most: int) -> list["_Fields"]:
        items = self._take(name, list, [])
        if len(items) > most or not all(isinstance(item, dict) for item in items):
            raise BadResult(f"{self._where}: {name} is not a list of at most {most} objects")
        return [_Fields(item, f"{self._where}: {name}[{index}]") for index, item in enumerate(items)]

    def inner(self, name: str) -> "_Fields | None":
        return None if self._plain.get(name) is None else _Fields(self._take(name, dict, {}), f"{self._where}: {name}")

    def pairs(self, name: str, most: int) -> dict[str, Any]:
        pairs: dict[str, Any] = self._take(name, dict, {})
        if len(pairs) > most or any(len(key) > MAX_TEXT for key in pairs):
            raise BadResult(f"{self._where}: {name} has more than {most} fields, or too long ones")
        return {printable(key): value for key, value in pairs.items()}

    def shape(self) -> tuple[int, ...]:
        dimensions = self._take("shape", list, [])
        if len(dimensions) > MAX_RANK:
            raise BadResult(f"{self._where}: shape has more than {MAX_RANK} dimensions")
        return tuple(self._dimension(each) for each in dimensions)

    def _dimension(self, value: object) -> int:
        if value is None or value == DYNAMIC:
            return DYNAMIC
        if type(value) is not int or not 0 <= value < 2**31:
            raise BadResult(f"{self._where}: shape has something in it that is no dimension")
        return value

    def batch(self) -> int | None:
        return None if self._plain.get("batch") is None else self.number("batch")

    def _take(self, name: str, kind: type, default: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        value = self._plain.get(name, default)
        if type(value) is not kind:
            raise BadResult(f"{self._where}: {name} is not of type {kind.__name__}")
        return value


def _result(fields: _Fields) -> LaunchResult:
    outcome, reason = fields.text("outcome"), fields.text("reason")
    if fields.number("schema") != 1 or outcome not in {"succeeded", "failed"}:
        raise BadResult(f"{NAME}: schema or outcome is unknown")
    frozen = fields.inner("dataset")
    return LaunchResult(
        succeeded=outcome == "succeeded",
        reason=reason if reason in REASONS else "script_failed",
        sentence=" ".join(fields.text("sentence").split()),
        inputs=tuple(_tensor(each) for each in fields.each("inputs", MAX_TENSORS)),
        outputs=tuple(_tensor(each) for each in fields.each("outputs", MAX_TENSORS)),
        programs=tuple(Program(each.text("file"), each.batch()) for each in fields.each("programs", MAX_PROGRAMS)),
        engine=_engine(fields.text("engine")),
        task=fields.text("task"),
        from_logits=fields.flag("from_logits"),
        loss=fields.text("loss"),
        dataset=FrozenSet(frozen.text("file"), frozen.number("rows"), frozen.text("taken_from")) if frozen else None,
        dataset_problem=fields.text("dataset_problem"),
        history={name: _values(name, values) for name, values in fields.pairs("history", MAX_METRICS).items()},
        versions={name: printable(str(value))[:100] for name, value in fields.pairs("versions", MAX_METRICS).items()},
        seeds={name: value for name, value in fields.pairs("seeds", MAX_METRICS).items() if type(value) is int},
    )


def _engine(name: str) -> str:
    if name not in ("", *ENGINES):
        raise BadResult(f"{NAME}: engine is none of {', '.join(ENGINES)}")
    return name or ENGINES[0]


def _tensor(fields: _Fields) -> TensorSpec:
    return TensorSpec(fields.text("name"), fields.text("dtype"), fields.shape())


def _values(name: str, values: object) -> tuple[float | None, ...]:
    if not isinstance(values, list) or len(values) > MAX_EPOCHS:
        raise BadResult(f"{NAME}: history.{name[:80]} is not a list of at most {MAX_EPOCHS} numbers")
    return tuple(finite(value) for value in values)


def finite(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
