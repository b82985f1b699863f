"""A TOML table read strictly: every key is asked for by name and type, and whatever was not asked for is an error that names it."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")
NEEDED: Final = object()
_NAMES = {str: "a text", bool: "true or false", int: "a whole number", dict: "a table", list: "a list"}


class WrongKey(Exception):
    """A key is unknown, missing or wrong; the message names it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key, self.problem = key, problem


class StrictTable:
    """`where` is the table's own name in messages, "" for the whole file. Call `finish` after the last key was asked for."""

    def __init__(self, data: Mapping[str, Any], where: str = "") -> None:
        self.where = where
        self._data = data
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def keys(self) -> Iterator[str]:
        return iter(self._data)

    def name(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def wrong(self, key: str, problem: str) -> WrongKey:
        return WrongKey(self.name(key), problem)

    def text(self, key: str, default: Any = NEEDED) -> str:  # noqa: ANN401 - a str, or NEEDED
        return self.parsed(key, str, default)

    def parsed(self, key: str, parse: Callable[[str], T], default: Any = NEEDED) -> T:  # noqa: ANN401 - a T, or NEEDED
        """Read a text and parse it; a ValueError's message becomes the problem. The default is not parsed."""
        value = self._take(key, str, default)
        if key not in self._data:
            return value  # type: ignore[no-any-return]  # the default, a T
        if not value:
            raise self.wrong(key, "is empty")
        try:
            return parse(value)
        except ValueError as error:
            raise self.wrong(key, str(error)) from None

    def flag(self, key: str, default: Any = NEEDED) -> bool:  # noqa: ANN401 - a bool, or NEEDED
        return bool(self._take(key, bool, default))

    def whole(self, key: str, default: Any = NEEDED, *, least: int = 1) -> int:  # noqa: ANN401 - an int, or NEEDED
        value = int(self._take(key, int, default))
        if value < least:
            raise self.wrong(key, f"{value} is below {least}")
        return value

    def number(self, key: str, default: float | None = None) -> float | None:
        self._asked.add(key)
        value = self._data.get(key, default)
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.wrong(key, f"{value!r} is no number")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts; none where the key is missing."""
        items = self._take(key, list, [])
        if any(type(item) is not str or not item for item in items):
            raise self.wrong(key, "has something in it that is no text")
        return tuple(items)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Read a list of finite numbers; none where the key is missing."""
        items = self._take(key, list, [])
        if any(type(item) not in (int, float) or not math.isfinite(item) for item in items):
            raise self.wrong(key, "has something in it that is no number")
        return tuple(float(item) for item in items)

    def holds_list(self, key: str) -> bool:
        """Say whether a list stands there, for keys that may be one."""
        return type(self._data.get(key)) is list

    def table(self, key: str) -> "StrictTable":
        """Read a table; an empty one where the key is missing."""
        return StrictTable(self._take(key, dict, {}), self.name(key))

    def tables(self, key: str) -> tuple["StrictTable", ...]:
        """Read an array of tables; none where the key is missing."""
        items = self._take(key, list, [])
        if any(type(item) is not dict for item in items):
            raise self.wrong(key, f"is no array of tables; write [[{key}]]")
        return tuple(StrictTable(item, f"{self.name(key)}[{index}]") for index, item in enumerate(items))

    def finish(self) -> None:
        for key in self._data:
            if key not in self._asked:
                raise self.wrong(key, f"unknown key; known are {', '.join(sorted(self._asked)) or 'none'}")

    def _take(self, key: str, kind: type, default: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
        self._asked.add(key)
        if key not in self._data:
            if default is NEEDED:
                raise self.wrong(key, "is missing")
            return default
        value = self._data[key]
        if type(value) is not kind:
            raise self.wrong(key, f"{value!r} is not {_NAMES[kind]}")
        return value
