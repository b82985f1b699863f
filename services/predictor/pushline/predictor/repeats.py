"""Requests that differ from one before in the numbers alone: most of all. What was found out then is not found out again.

A request in protobuf is what it says about its tensors, and then, where it has one raw tensor and was written in order of the
fields, the bytes of that tensor up to its end. So whatever begins with the same bytes and is of the same length asks the same of
other numbers.
"""

from collections.abc import Callable

from open_inference import open_inference_grpc_pb2 as pb
from pushline.predictor import oip
from pushline.predictor.predictions import Alike, Answer, Job, Predictions, Question

MOST = 256  # beginnings that are kept
RAW_TAG = b"\x3a"  # field 7, bytes
SEVEN_BITS = 0x7F


class Repeat:
    """A request that came before, what is live for it, and beginnings of its answers, by all that they depend on."""

    __slots__ = ("_labels", "_said", "alike", "question")

    def __init__(self, question: Question, alike: Alike, *, labels: bool) -> None:
        """`labels` are asked for."""
        self.question, self.alike, self._labels = question, alike, labels
        self._said: dict[tuple[object, ...], bytes] = {}

    def reply(self, answer: Answer) -> bytes:
        key = (answer.loaded.identity.event_id, answer.stale, *[array.shape for array in answer.outputs.values()])
        beginning = self._said.get(key)
        if beginning is None:
            if len(self._said) >= MOST:
                self._said = {}
            beginning = self._said[key] = oip.beginning(answer)
        return beginning + (oip.labels(answer) if self._labels else b"") + oip.numbers(answer)


class Repeats:
    """Safe to call from many threads: they read and replace whole entries."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._known: dict[bytes, Repeat] = {}
        self._places: dict[int, tuple[int, ...]] = {}  # length of a request → where its numbers may begin

    def prepare(self, data: bytes) -> tuple[Job, Callable[[Answer], bytes]] | None:
        """Give the job where such a request came before and is one of the live model's too."""
        for place in self._places.get(len(data), ()):
            repeat = self._known.get(data[:place])
            if repeat is not None:
                job = self._predictions.prepare_alike(repeat.alike, data, place) or self._prepare_anew(repeat, data, place)
                return None if job is None else (job, repeat.reply)
        return None

    def note(self, data: bytes, request: pb.ModelInferRequest, question: Question) -> None:
        """Keep what was found out for this request, which was answered, if others can be like it."""
        place = _place_of_numbers(data, request)
        alike = self._predictions.alike(question) if place else None
        if alike is None:
            return
        if len(self._known) >= MOST:
            self._known, self._places = {}, {}
        places = self._places.get(len(data), ())
        without = question._replace(inputs=[alike.claim])
        self._known[data[:place]] = Repeat(without, alike, labels=oip.wants_labels(request))
        self._places[len(data)] = places if place in places else (*places, place)

    def _prepare_anew(self, repeat: Repeat, data: bytes, place: int) -> Job | None:
        """Another deployment is live by now."""
        alike = self._predictions.alike(repeat.question)
        if alike is None:
            return None
        repeat.alike = alike
        return self._predictions.prepare_alike(alike, data, place)


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
