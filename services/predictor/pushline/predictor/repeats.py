"""Requests that differ from one before in the numbers alone: most of all. What was found out then is not found out again.

A request in protobuf is what it says about its tensors, and then, where it has one raw tensor and was written in order of the
fields, the bytes of that tensor up to its end. So whatever begins with the same bytes and is of the same length asks the same of
other numbers.
"""

from typing import NamedTuple

from open_inference import open_inference_grpc_pb2 as pb
from pushline.predictor import oip
from pushline.predictor.predictions import Answer, Predictions, Question, Ready

MOST = 256  # beginnings that are kept
RAW_TAG = b"\x3a"  # field 7, bytes
SEVEN_BITS = 0x7F


class Repeat(NamedTuple):
    ready: Ready
    said: dict[tuple[object, ...], bytes]  # beginnings of answers, by all that they depend on


class Repeats:
    """Safe to call from many threads: they read and replace whole entries."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._known: dict[bytes, Repeat] = {}
        self._places: dict[int, tuple[int, ...]] = {}  # length of a request → where its numbers may begin

    def answer(self, data: bytes) -> tuple[Answer, bytes] | None:
        """Give the answer and its bytes where such a request came before and nothing changed since. Raises RequestError."""
        for place in self._places.get(len(data), ()):
            found = self._known.get(data[:place])
            if found is not None:
                answer = self._predictions.predict_again(found.ready, data, place)
                return None if answer is None else (answer, _serialized(found, answer))
        return None

    def note(self, data: bytes, request: pb.ModelInferRequest, question: Question) -> None:
        """Keep what was found out for this request, which was answered, if others can be like it."""
        place = _place_of_numbers(data, request)
        ready = self._predictions.ready_for(question) if place else None
        if ready is None:
            return
        if len(self._known) >= MOST:
            self._known, self._places = {}, {}
        places = self._places.get(len(data), ())
        self._known[data[:place]] = Repeat(ready, {})
        self._places[len(data)] = places if place in places else (*places, place)


def _place_of_numbers(data: bytes, request: pb.ModelInferRequest) -> int:
    """Where the numbers begin, up to the end; 0 where the request is another one. Ids are mostly new each time, so none is kept."""
    if len(request.raw_input_contents) != 1 or request.id:
        return 0
    rest = pb.ModelInferRequest()
    rest.CopyFrom(request)
    rest.ClearField("raw_input_contents")
    size = len(request.raw_input_contents[0])
    start = rest.SerializeToString() + RAW_TAG + _varint(size)
    return len(start) if size and len(start) + size == len(data) and data.startswith(start) else 0


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > SEVEN_BITS:
        out.append(number & SEVEN_BITS | SEVEN_BITS + 1)
        number >>= 7
    out.append(number)
    return bytes(out)


def _serialized(repeat: Repeat, answer: Answer) -> bytes:
    key = (answer.stale, *[array.shape for array in answer.outputs.values()])
    beginning = repeat.said.get(key)
    if beginning is None:
        beginning = repeat.said[key] = oip.beginning(answer)
    return beginning + oip.numbers(answer)
