"""Reading what a forge answers, whose shape is its own: what is not as expected is empty, and never an error of ours."""

from collections.abc import Sequence
from typing import Any

from pushline.auditor.forge.http import Http
from pushline.auditor.forge.ports import Refused

Json = dict[str, Any]


def items(body: object, key: str = "") -> list[Json]:
    """Give the objects of a list, or of the list under a key."""
    found = body.get(key) if key and isinstance(body, dict) else body
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def field_of(each: Json, key: str) -> str:
    value = each.get(key)
    return value if isinstance(value, str) else ""


def number_of(each: Json, key: str) -> int:
    value = each.get(key)
    return value if type(value) is int else 0


class Own:
    """Whose token it is, so that a comment of somebody else's who copied our marker is never taken for ours.

    The forge tells it in its answers to what we write, and asked under `path` where the token may ask that. With `bots`, a token
    that may not is an app's: its comments are those of a bot, and only who administers the project lets bots in.
    """

    def __init__(self, http: Http, path: str, *, bots: bool = False) -> None:
        self._http, self._path, self._bots = http, path, bots
        self._id = 0

    def learn(self, body: object, key: str) -> None:
        self._id = (_who(body, key) if isinstance(body, dict) else 0) or self._id

    def of(self, found: Sequence[Json], key: str) -> list[Json]:
        """Give those that we wrote. Raises ForgeError."""
        if not found:
            return []
        if not self._id and not self._ask():
            return [each for each in found if field_of(_part(each, key), "type") == "Bot"]
        return [each for each in found if self._id and _who(each, key) == self._id]

    def _ask(self) -> bool:
        try:
            body = self._http.call("GET", self._path).body
        except Refused as error:
            if self._bots:
                return False
            raise Refused(f"comments with our marker are there, and the token may not be asked whose it is: {error}") from None
        self._id = number_of(body, "id") if isinstance(body, dict) else 0
        return True


def _who(each: Json, key: str) -> int:
    return number_of(_part(each, key), "id")


def _part(each: Json, key: str) -> Json:
    part = each.get(key)
    return part if isinstance(part, dict) else {}
