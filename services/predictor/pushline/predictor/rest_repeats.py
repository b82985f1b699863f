"""Requests in JSON that differ from one before in the numbers alone: most of all. What was found out then is not found out again.

What stands in front of the numbers and behind them is kept. A body that begins and ends so, and has as many numbers between and
nothing else, asks the same of other numbers.
"""

from collections.abc import Callable
from typing import Any

from pushline.predictor import json_numbers, quick_json, rest_json
from pushline.predictor.oip import DATATYPES
from pushline.predictor.packed import CODES
from pushline.predictor.predictions import Alike, Answer, Job, Predictions

MOST = 256  # requests that are kept
MOST_AROUND = 512  # bytes in front of the numbers, and behind them
DATA = b'"data"'
Key = tuple[str, str, bytes]
Reply = Callable[[Answer], rest_json.Body]


class Repeat:
    __slots__ = ("alike", "asked", "pack", "tail")

    def __init__(self, asked: rest_json.Asked, alike: Alike, pack: json_numbers.Pack, tail: bytes) -> None:
        self.asked, self.alike, self.pack, self.tail = asked, alike, pack, tail

    def reply(self, answer: Answer) -> rest_json.Body:
        return rest_json.written(self.asked, answer)


class Repeats:
    """Safe to call from many threads: they read and replace whole entries."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._known: dict[Key, Repeat] = {}

    def prepare(self, model: str, version: str, body: bytes) -> tuple[Job, Reply] | None:
        """Give the job where such a request came before and is one of the live model's too."""
        place = _place_of_numbers(body)
        repeat = self._known.get((model, version, body[:place])) if place else None
        if repeat is None or not body.endswith(repeat.tail):
            return None
        content = repeat.pack(body[place - 1 : len(body) - len(repeat.tail) + 1])
        job = None if content is None else self._predictions.prepare_alike(repeat.alike, content, 0, checked=True)
        if job is None and content is not None and repeat.alike is not (anew := self._anew(repeat)):
            job = self._predictions.prepare_alike(anew, content, 0, checked=True)
        return None if job is None else (job, repeat.reply)

    def note(self, model: str, version: str, body: bytes, asked: rest_json.Asked) -> None:
        """Keep what was found out for this request, which was answered, if others can be like it."""
        place = _place_of_numbers(body)
        if not place or (model, version, body[:place]) in self._known or asked.id is not None:
            return
        end = body.find(b"]", place)
        alike = self._predictions.alike(asked.question) if len(body) - end <= MOST_AROUND and _is_data(body, place, end) else None
        datatype = None if alike is None else DATATYPES.get(alike.claim.dtype or "")
        if alike is None or datatype not in CODES:
            return
        if len(self._known) >= MOST:
            self._known = {}
        pack = json_numbers.pack(datatype, alike.size // alike.dtype.itemsize)
        without = asked.question._replace(inputs=[alike.claim])
        self._known[model, version, body[:place]] = Repeat(rest_json.Asked(without, None, asked.binary), alike, pack, body[end:])

    def _anew(self, repeat: Repeat) -> Alike:
        """Another deployment is live by now."""
        repeat.alike = self._predictions.alike(repeat.asked.question) or repeat.alike
        return repeat.alike


def _place_of_numbers(body: bytes) -> int:
    """Where the first number may begin, in whatever brackets; 0 where there is no such place near the beginning."""
    key = body.find(DATA, 0, MOST_AROUND)
    place = body.find(b"[", key, MOST_AROUND) + 1 if key >= 0 else 0
    while place and body[place : place + 1] == b"[":
        place += 1
    return place


def _is_data(body: bytes, place: int, end: int) -> bool:
    """Say whether these numbers are all that the first input has for data: another one in their place stands there alone."""
    probe = quick_json.loads(b"%s7%s" % (body[:place], body[end:])) if end > place else None
    found: Any = probe["inputs"][0].get("data") if probe else None
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found == 7 and type(found) is int  # noqa: PLR2004 - the one that was put there
