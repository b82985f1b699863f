"""A JSON object from a stranger: UTF-8, no NaN, no key twice, no depth that breaks the parser; fields by name and type."""

import json
from typing import Any


class Malformed(Exception):
    """The body is not what this webhook sends; the message names the field."""


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(data, dict):
        raise Malformed("the body is no JSON object")
    return data


def text(data: dict[str, Any], name: str, where: str = "") -> str:
    value = data.get(name)
    if type(value) is not str or not value:
        raise Malformed(f"{where}{name} is missing or no text")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
