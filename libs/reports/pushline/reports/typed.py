"""From plain JSON values to frozen dataclasses, strictly: what is missing, unknown or of a wrong type is refused, and named.

What makes a value of a type is put together once for each type, and a value's place is spelled out only where it is refused: a
report has ten thousands of numbers, and whoever wrote it reads it back before anybody else does.
"""

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any

MOST_OF_A_NAME = 80  # characters of a stranger's name that an error shows

Make = Callable[[Any], Any]


class BadReport(Exception):
    """The bytes are no report; the message names the field."""


class _Refused(Exception):
    """A value that does not fit; every level that it passes adds where it stood."""

    def __init__(self, sentence: str, *within: str) -> None:
        super().__init__(sentence)
        self.sentence, self.within = sentence, list(within)

    def __str__(self) -> str:
        return f"{''.join(reversed(self.within)).removeprefix('.')} {self.sentence}"


def names(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def build(kind: type, data: object) -> Any:  # noqa: ANN401 - driven by the dataclass's own types
    """Raises BadReport."""
    try:
        return maker(kind)(data)
    except _Refused as error:
        raise BadReport(str(error)) from None


@cache
def maker(kind: Any) -> Make:  # noqa: ANN401 - see build
    if isinstance(kind, types.UnionType):  # something | None
        return _optional(maker(typing.get_args(kind)[0]))
    if is_dataclass(kind):
        return _object(typing.cast("type", kind))
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _list(maker(inner[0])) if inner[-1] is ... else _row([maker(each) for each in inner])
    if origin is Mapping:
        return _mapping(maker(inner[1]))
    return _number if kind is float else _scalar(kind)


def _optional(make: Make) -> Make:
    return lambda data: None if data is None else make(data)


def _object(kind: type) -> Make:
    hints = typing.get_type_hints(kind)
    makers = {name: maker(hints[name]) for name in names(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}

    def make(data: Any) -> Any:  # noqa: ANN401 - see build
        if type(data) is not dict:
            raise _Refused("is not an object")
        for name in sorted(needed - data.keys()):
            raise _Refused("is missing", f".{name}")
        for name in sorted(data.keys() - makers.keys()):
            raise _Refused("is unknown", f".{name[:MOST_OF_A_NAME]}")
        made, name = {}, ""
        try:
            for name, value in data.items():
                made[name] = makers[name](value)
        except _Refused as error:
            error.within.append(f".{name}")
            raise
        return kind(**made)

    return make


def _list(make: Make) -> Make:
    def made(data: Any) -> tuple[Any, ...]:  # noqa: ANN401 - see build
        if type(data) is not list:
            raise _Refused("is not a list")
        found: list[Any] = []
        try:
            found.extend(map(make, data))
        except _Refused as error:
            error.within.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return made


def _row(makers: list[Make]) -> Make:
    def made(data: Any) -> tuple[Any, ...]:  # noqa: ANN401 - see build
        if type(data) is not list:
            raise _Refused("is not a list")
        if len(data) != len(makers):
            raise _Refused(f"has {len(data)} items, not {len(makers)}")
        found: list[Any] = []
        try:
            for make, item in zip(makers, data, strict=True):
                found.append(make(item))
        except _Refused as error:
            error.within.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return made


def _mapping(make: Make) -> Make:
    def made(data: Any) -> dict[str, Any]:  # noqa: ANN401 - see build
        if type(data) is not dict:
            raise _Refused("is not an object")
        found, name = {}, ""
        try:
            for name, item in data.items():
                found[name] = make(item)
        except _Refused as error:
            error.within.append(f".{name[:MOST_OF_A_NAME]}")
            raise
        return found

    return made


def _number(data: object) -> float:
    if type(data) is float:
        number = data
    elif type(data) is int:
        try:
            number = float(data)
        except OverflowError:
            number = math.inf
    else:
        raise _Refused("is not of type float")
    if not math.isfinite(number):
        raise _Refused("is not finite")
    return number


def _scalar(kind: type) -> Make:
    def made(data: Any) -> Any:  # noqa: ANN401 - see build
        if type(data) is not kind:
            raise _Refused(f"is not of type {kind.__name__}")
        return data

    return made
