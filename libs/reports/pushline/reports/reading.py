"""From bytes to a Report and back. Strict: what is missing, unknown or of a wrong type is refused, and the field is named."""

import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from typing import Any

from pushline.reports.report import READ, SCHEMA, Report

MAX_BYTES = 16 * 2**20
VERDICTS = ("accepted", "rejected", "inconclusive", "failed")

Json = dict[str, Any]


class BadReport(Exception):
    """The bytes are no report; the message names the field."""


def read(data: bytes) -> Report:
    """Raises BadReport."""
    plain = parse(data)
    schema = plain.get("schema")
    if schema not in READ or type(schema) is not int:
        raise BadReport(f"schema is {str(schema)[:20]}; this program reads {' and '.join(map(str, READ))}")
    report: Report = build(Report, _from_first(plain) if schema < SCHEMA else plain, "")
    _demand(report.verdict in VERDICTS, f"verdict is {report.verdict[:40]!r}; known are {', '.join(VERDICTS)}")
    if not report.is_older:
        _demand(not (missing := _names(Report) - plain.keys()), f"{', '.join(sorted(missing))} is missing")
    return report


def parse(data: bytes) -> Json:
    """Give the object that the bytes hold, whatever is in it. Raises BadReport."""
    if len(data) > MAX_BYTES:
        raise BadReport(f"it has {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        plain = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadReport(f"it is not JSON: {error}") from None
    if not isinstance(plain, dict):
        raise BadReport("it is not an object")
    return plain


def dump(report: Report) -> bytes:
    """Give the bytes, the same for equal reports. Raises BadReport for what read would not give back."""
    data = to_bytes(report)
    read(data)
    return data


def to_bytes(report: Report) -> bytes:
    """Give the bytes, whether they can be read or not. Raises BadReport where there are none."""
    try:
        text = json.dumps(asdict(report), sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
        return text.encode() + b"\n"
    except ValueError as error:
        raise BadReport(f"it has no JSON form: {error}") from None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _from_first(plain: Json) -> Json:
    """Give a version-1 report the form of version 2."""
    metrics = plain.get("metrics")
    if not isinstance(metrics, dict):
        raise BadReport("metrics is not an object")
    return {**plain, "metrics": {name: {"value": value} for name, value in metrics.items()}}


def _demand(holds: object, sentence: str) -> None:
    if not holds:
        raise BadReport(sentence)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _names(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


@cache
def _needed(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind) if field.default is MISSING)


def build(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - driven by the dataclass's own types
    if isinstance(kind, types.UnionType):  # something | None
        return None if data is None else build(typing.get_args(kind)[0], data, where)
    for fits, make in _BUILDERS:
        if fits(kind):
            return make(kind, data, where)
    return _scalar(kind, data, where)


def _object(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see build
    _demand(isinstance(data, dict), f"{where} is not an object")
    stem = f"{where}." if where else ""
    for name in sorted(_needed(kind) - data.keys()):
        raise BadReport(f"{stem}{name} is missing")
    for name in sorted(data.keys() - _names(kind)):
        raise BadReport(f"{stem}{name[:80]} is unknown")
    hints = _hints(kind)
    return kind(**{name: build(hints[name], value, f"{stem}{name}") for name, value in data.items()})


def _list(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see build
    _demand(isinstance(data, list), f"{where} is not a list")
    inner = typing.get_args(kind)
    if inner[-1] is ...:
        return tuple(build(inner[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    _demand(len(data) == len(inner), f"{where} has {len(data)} items, not {len(inner)}")
    return tuple(build(one, item, f"{where}[{index}]") for index, (one, item) in enumerate(zip(inner, data, strict=True)))


def _mapping(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see build
    _demand(isinstance(data, dict), f"{where} is not an object")
    inner = typing.get_args(kind)[1]
    return {name: build(inner, item, f"{where}.{name[:80]}") for name, item in data.items()}


def _scalar(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see build
    if kind is float and type(data) in (int, float):
        try:
            number = float(data)
        except OverflowError:
            number = math.inf
        _demand(math.isfinite(number), f"{where} is not finite")
        return number
    _demand(type(data) is kind, f"{where} is not of type {kind.__name__}")
    return data


_BUILDERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any, str], Any]], ...] = (
    (is_dataclass, _object),
    (lambda kind: typing.get_origin(kind) is tuple, _list),
    (lambda kind: typing.get_origin(kind) is Mapping, _mapping),
)
