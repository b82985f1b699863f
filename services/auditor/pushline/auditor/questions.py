"""What a request may ask, checked: unknown parameters and wrong values are refused with a sentence that names them."""

from collections.abc import Mapping

from pushline.auditor.history import Filter
from pushline.line.topics import BY_NAME

VERDICTS = ("valid", "invalid", "kept", "undecodable", "newer", "parked")
STAGES = ("training", "evaluating", "deciding", "held", "deployed", "rejected", "failed", "superseded")
MAX_PAGE = 500
MAX_DIGITS = 9


class BadQuestion(Exception):
    """A parameter is unknown or its value makes no sense."""


class Question:
    """The parameters of one request; `allowed` are all that may be there."""

    def __init__(self, parameters: Mapping[str, str], allowed: tuple[str, ...]) -> None:
        for name in parameters:
            if name not in allowed:
                raise BadQuestion(f"{name[:80]!r} is no parameter here; there is {', '.join(allowed) or 'none'}")
        self._parameters = parameters

    def text(self, name: str) -> str:
        return self._parameters.get(name, "")

    def number(self, name: str, default: int | None, lowest: int, highest: int | None = None) -> int | None:
        text = self.text(name)
        if not text:
            return default
        is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
        if not is_number or int(text) < lowest or (highest is not None and int(text) > highest):
            upwards = f"{lowest} to {highest}" if highest is not None else f"{lowest} or more"
            raise BadQuestion(f"{name} is {text[:40]!r}, not a number of {upwards}")
        return int(text)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        text = self.text(name)
        if text and text not in choices:
            raise BadQuestion(f"{name} is {text[:40]!r}, none of {', '.join(choices)}")
        return text

    def limit(self, default: int) -> int:
        return self.number("limit", default, 1, MAX_PAGE) or default

    def filter(self) -> Filter:
        topic, verdict = self.one_of("topic", tuple(BY_NAME)), self.one_of("verdict", VERDICTS)
        return Filter(self.text("model"), self.text("run"), topic, verdict)
