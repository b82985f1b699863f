"""JSON read by a quick library where it reads just as strictly as the standard one is told to; else that one has the word."""

from typing import Any

import orjson


def loads(body: bytes) -> dict[str, Any] | None:
    """Give the object; None where the body must be read with care: it is no JSON, or a key may stand in it twice.

    NOTE: of a key that stands twice the library takes the last one and says nothing. Each key has one colon, so where there are as
    many colons as keys no key was lost. Keys are counted where the protocol has objects; colons in texts, and objects elsewhere,
    give more colons than keys.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and _has_colons(body, _keys(found)) else None


def dumps(value: object) -> bytes:
    """Of a number that JSON does not have the library makes null."""
    return orjson.dumps(value)


def _has_colons(body: bytes, count: int) -> bool:
    """NOTE: to find them one by one is quicker than to count them, as there are few."""
    place = -1
    for _ in range(count):
        place = body.find(b":", place + 1)
        if place < 0:
            return False
    return body.find(b":", place + 1) < 0


def _keys(found: dict[str, Any]) -> int:
    count = len(found)
    for value in found.values():
        if isinstance(value, dict):
            count += _keys(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            count += sum([_keys(each) for each in value if isinstance(each, dict)])
    return count
