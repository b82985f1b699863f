"""What `[evaluate] slices` of pushline.toml may say: a column of the evaluation set, or a named predicate over columns.

    label                                  each class of its own
    region                                 a further array of the set, one value a row
    x[3]                                   a column of the inputs (x.<input>[3] where there are several)
    young: age < 30 and region == "north"  the rows for which this holds

The grammar: `or` of `and` of (`not`) comparisons, with parentheses; a comparison is a column, one of < <= > >= == !=, and a number
or a quoted text. The trainer reads it where pushline.toml is read, the evaluator where rows are chosen. Nothing here runs code.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

LABEL = "label"
MOST_SLICES, MOST_CHARACTERS, DEEPEST = 32, 500, 20
OPERATORS = ("<=", ">=", "==", "!=", "<", ">")

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_COLUMN = re.compile(rf"({_NAME}(?:\.[A-Za-z0-9_]+)*)(?:\[([0-9]{{1,9}})\])?", re.ASCII)
_PREDICATE = re.compile(rf"\s*({_NAME})\s*:(.*)", re.ASCII | re.DOTALL)
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,3}})?)|(?P<text>\"[^\"]*\"|'[^']*')"
    rf"|(?P<operator>[<>]=?|[=!]=)|(?P<bracket>[()])|(?P<name>{_NAME}(?:\.[A-Za-z0-9_]+)*(?:\[[0-9]{{1,9}}\])?))",
    re.ASCII,
)
_WORDS = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    index: int | None = None  # of the inputs' columns

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Compared:
    column: Column
    operator: str
    value: float | str


@dataclass(frozen=True, slots=True)
class Not:
    of: "Condition"


@dataclass(frozen=True, slots=True)
class Both:
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    parts: "tuple[Condition, ...]"


Condition = Compared | Not | Both | Either


@dataclass(frozen=True, slots=True)
class SliceSpec:
    """By the values of a column, or the rows for which a condition holds."""

    name: str
    by: Column | Condition


def parse_slices(texts: Sequence[str]) -> tuple[SliceSpec, ...]:
    """Raises ValueError, whose message names the slice."""
    if len(texts) > MOST_SLICES:
        raise ValueError(f"names {len(texts)} slices; at most {MOST_SLICES} are taken")
    specs = tuple(map(parse_slice, texts))
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'names the slice "{twice}" twice')
    return specs


def parse_slice(text: str) -> SliceSpec:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f'"{text[:40]}…" has more than {MOST_CHARACTERS} characters')
    predicate = _PREDICATE.fullmatch(text)
    try:
        return SliceSpec(text.strip(), _column(text.strip())) if predicate is None else _predicate(*predicate.groups())
    except ValueError as error:
        raise ValueError(f'"{text[:80]}" is no slice: {error}') from None


def _predicate(name: str, condition: str) -> SliceSpec:
    if name in (LABEL, *_WORDS):
        raise ValueError(f"{name} is no name for a predicate")
    return SliceSpec(name, _Reader(condition).whole())


def _column(text: str) -> Column:
    found = _COLUMN.fullmatch(text)
    if found is None or found[1] in _WORDS:
        raise ValueError("neither label, nor a column such as region or x[3], nor a predicate such as young: age < 30")
    return Column(found[1], None if found[2] is None else int(found[2]))


class _Reader:
    """Reads a condition from its first token to its last."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Condition:
        condition = self._either(0)
        if self._at < len(self._tokens):
            raise ValueError(f"{self._peek()[1]} is not expected there")
        return condition

    def _either(self, depth: int) -> Condition:
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} parentheses inside each other")
        parts = [self._both(depth)]
        while self._take("name", "or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while self._take("name", "and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, depth: int) -> Condition:
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} parentheses or negations inside each other")
        if self._take("name", "not"):
            return Not(self._one(depth + 1))
        if self._take("bracket", "("):
            inner = self._either(depth + 1)
            if not self._take("bracket", ")"):
                raise ValueError("a parenthesis is not closed")
            return inner
        return self._compared()

    def _compared(self) -> Compared:
        column = _column(self._demand(("name",), "a column"))
        operator = self._demand(("operator",), f"one of {' '.join(OPERATORS)}")
        value = self._demand(("number", "text"), "a number or a quoted text")
        if value[0] in "\"'":
            if operator not in ("==", "!="):
                raise ValueError(f"texts are compared by == and !=, not by {operator}")
            return Compared(column, operator, value[1:-1])
        return Compared(column, operator, float(value))

    def _demand(self, kinds: tuple[str, ...], what: str) -> str:
        kind, text = self._peek()
        if kind not in kinds:
            raise ValueError(f"{what} is expected before {text}" if text else f"{what} is missing at its end")
        self._at += 1
        return text

    def _take(self, kind: str, text: str) -> bool:
        if self._peek() != (kind, text):
            return False
        self._at += 1
        return True

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text[at : at + 10].strip()} is not understood")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    return tokens
