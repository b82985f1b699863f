"""Limits of single models, where they differ from those of all: `iris: in_flight=16 threads=1; photo: batch=8 rows=100`."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pushline.line.ids import MODEL_NAME
from pushline.runtime.settings import SettingsError, count


class ModelLimits(NamedTuple):
    """None: as for all others."""

    in_flight: int | None = None  # questions that wait for the model or are worked on
    threads: int | None = None
    batch: int | None = None  # rows that are answered together
    rows: int | None = None  # of one request


NO_LIMITS: Mapping[str, ModelLimits] = MappingProxyType({})
OF_ALL = ModelLimits()


def parse(text: str) -> Mapping[str, ModelLimits]:
    """Raises ValueError with a sentence."""
    found: dict[str, ModelLimits] = {}
    for part in (part.strip() for part in re.split(r"[;\n]", text)):
        if not part:
            continue
        name, colon, words = part.partition(":")
        name = name.strip()
        if not colon or not MODEL_NAME.fullmatch(name):
            raise ValueError(f'"{part[:80]}" does not begin with the name of a model and a colon')
        if name in found:
            raise ValueError(f"model {name} stands there twice")
        found[name] = _limits(name, words.split())
    return found


def check_served(limits: Mapping[str, ModelLimits], models: Collection[str]) -> None:
    """Raises SettingsError where a limit is that of a model which is not among those that are named to be served."""
    for name in limits:
        if models and name not in models:
            raise SettingsError((f"PUSHLINE_MODEL_LIMITS: model {name} is not among those of PUSHLINE_MODELS",))


def _limits(model: str, words: list[str]) -> ModelLimits:
    given: dict[str, int] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in ModelLimits._fields:
            raise ValueError(f'model {model}: "{word[:80]}" is none of {", ".join(f"{each}=N" for each in ModelLimits._fields)}')
        if name in given:
            raise ValueError(f"model {model}: {name} stands there twice")
        try:
            given[name] = count(value)
        except ValueError as error:
            raise ValueError(f"model {model}: {name}: {error}") from None
    if not given:
        raise ValueError(f"model {model} is given no limit")
    return ModelLimits(**given)
