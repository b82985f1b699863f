"""Events to bytes and back: the CloudEvents 1.0 Kafka protocol binding, binary mode, with a ProtoJSON value.

Source: github.com/cloudevents/spec, v1.0.2, kafka-protocol-binding.md. No `ce_time`: the broker's LogAppendTime is a record's time.
Writing goes through the protobuf messages, which check every type; reading is json.loads into frozen dataclasses, because the fold
reads every record of the line and protobuf's JSON parser is several times slower.
"""

import json
import math
import re
import types
import typing
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from msgspec import MsgspecError
from msgspec.json import Decoder

from pushline.line.broker import MAX_RECORD_BYTES, LineError, MessageTooLarge
from pushline.line.events import Event
from pushline.line.ids import event_id
from pushline.line.records import Message, Record
from pushline.line.topics import BY_EVENT, BY_NAME, MAJOR_VERSION, Topic

E_co = TypeVar("E_co", bound=Event, covariant=True)
CONTENT_TYPE = b"application/json"
MAX_MESSAGE_BYTES = 2048
MAX_DIGITS = 4300  # of an integer that json reads


class Undecodable(LineError):
    """The bytes are no event of ours; the message says what is wrong with them."""


class NewerVersion(LineError):
    """An event of a newer major version than this program knows. Nothing may be skipped: park the partition."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[E_co]):
    """An event with its place in the log and what its headers say."""

    id: str
    event: E_co
    topic: str
    partition: int
    offset: int
    key: bytes
    subject: str
    source: str
    value: bytes
    timestamp_ms: int
    traceparent: str


def encode(event: Event, source: str, traceparent: str = "") -> Message:
    """Give the record of an event. Raises MessageTooLarge above 64 KiB with headers, TypeError or ValueError on a wrong field."""
    topic = BY_EVENT[type(event)]
    value = _value(event)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id(event.run_id, topic.name, value).encode()),
        ("ce_type", topic.ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", event.model.encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    message = Message(topic.name, event.model.encode(), value, tuple(headers))
    if message.size > MAX_RECORD_BYTES:
        raise MessageTooLarge(f"{topic.name} record of {event.model} has {message.size} bytes; the limit is {MAX_RECORD_BYTES}")
    return message


def decode(record: Record) -> Entry[Event]:
    """Give the event of a record. Raises Undecodable, NewerVersion. Judges no number, id or cause: that is the ledger's."""
    topic = BY_NAME.get(record.topic)
    if topic is None:
        raise Undecodable(f"{record.topic} is no topic of the line")
    headers = {name: _text(name, data) for name, data in record.headers if data is not None and name in _READ}
    _check_type(headers, topic)
    if record.value is None or record.key is None:
        raise Undecodable("a record without a value or a key")
    if len(record.value) + len(record.key) + sum(len(name) + len(text or b"") for name, text in record.headers) > MAX_RECORD_BYTES:
        raise Undecodable(f"a record of more than {MAX_RECORD_BYTES} bytes")
    return Entry(
        id=headers.get("ce_id", ""),
        event=event_of(topic.name, record.value),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        subject=headers.get("ce_subject", ""),
        source=headers.get("ce_source", ""),
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        traceparent=headers.get("traceparent", ""),
    )


def event_of(topic: str, value: bytes) -> Event:
    """Read by msgspec, which takes less than json does: a part of what is an event, never anything else. The rest is for json.

    NOTE: it looks at no text in fields that it skips, hence the decoding in front; nor how many digits a number in one of them has,
    of which json takes 4300. Raises Undecodable.
    """
    if len(value) <= MAX_DIGITS:
        try:
            return _quick(topic).decode(value.decode())
        except (MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # json says whether, and what is wrong
    try:
        data = json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"the value is not JSON: {error}") from None
    return _build(BY_NAME[topic].event, data)


def cut_message(message: str) -> str:
    """Cut a commit message to 2 KiB of UTF-8, at a character."""
    return message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")


_VERSION = re.compile(r"[0-9]{1,9}")
_READ = frozenset({"ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "traceparent"})


def _value(event: Event) -> bytes:
    """NOTE: what writes is imported by the first record that is written: a predictor starts without."""
    from google.protobuf import json_format  # noqa: PLC0415 - see above

    from pushline.events.v1 import events_pb2  # noqa: PLC0415 - see above

    message = getattr(events_pb2, type(event).__name__)()
    try:
        json_format.ParseDict(_plain(asdict(event)), message)
    except json_format.ParseError as error:
        raise ValueError(f"{type(event).__name__}: {error}") from None
    data = json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Undecodable(f"header {name} is not UTF-8") from None


def _check_type(headers: dict[str, str], topic: Topic) -> None:
    if headers.get("ce_specversion") != "1.0":
        raise Undecodable("header ce_specversion is not 1.0")
    kind = headers.get("ce_type", "")
    if kind == topic.ce_type:
        return
    stem, _, version = kind.rpartition(".v")
    if stem == f"dev.pushline.{topic.name}" and _VERSION.fullmatch(version) and int(version) > MAJOR_VERSION:
        raise NewerVersion(f"{kind} on topic {topic.name}; this program knows version {MAJOR_VERSION}")
    raise Undecodable(f"header ce_type is {kind[:80]!r}, not {topic.ce_type}")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


@cache
def _quick(topic: str) -> Decoder[Event]:
    return Decoder(BY_NAME[topic].event)


class _Wrong(Exception):
    """What is wrong with a part of a value; the path to it grows on the way out."""


Builder = Callable[[Any], Any]


def _build(kind: type[Event], data: object) -> Event:
    try:
        return cast("Event", _builder(cast("Any", kind))(data))
    except _Wrong as wrong:
        raise Undecodable(f"value{wrong}") from None


@cache
def _builder(kind: Any) -> Builder:  # noqa: ANN401 - a dataclass, a tuple of them, a scalar or float | None
    """Make the function that checks and builds one type, once: the fold reads every record of the line through it."""
    if is_dataclass(kind):
        return _object_builder(cast("type", kind))
    if typing.get_origin(kind) is tuple:
        return _list_builder(_builder(typing.get_args(kind)[0]))
    if isinstance(kind, types.UnionType):
        return _optional_float
    return {str: _text_of, int: _number_of, float: _float_of, bool: _flag_of}[kind]


def _object_builder(kind: type) -> Builder:
    hints = typing.get_type_hints(kind)
    parts = [(each.name, _builder(hints[each.name]), isinstance(hints[each.name], types.UnionType)) for each in fields(kind)]

    def build(data: Any) -> Any:  # noqa: ANN401 - JSON in, the dataclass out
        if type(data) is not dict:
            raise _Wrong(" is not an object")
        values = []
        name = ""
        try:
            for name, inner, may_be_absent in parts:
                values.append(inner(data.get(name) if may_be_absent else data[name]))
        except KeyError:
            raise _Wrong(f".{name} is missing") from None
        except _Wrong as wrong:
            raise _Wrong(f".{name}{wrong}") from None
        return kind(*values)

    return build


def _list_builder(inner: Builder) -> Builder:
    def build(data: Any) -> Any:  # noqa: ANN401 - JSON in, a tuple out
        if type(data) is not list:
            raise _Wrong(" is not a list")
        try:
            return tuple([inner(item) for item in data])
        except _Wrong as wrong:
            raise _Wrong(f"[]{wrong}") from None

    return build


def _text_of(data: object) -> str:
    if type(data) is not str or not (data.isascii() or _whole(data)):
        raise _Wrong(" is not text")
    return data


def _whole(text: str) -> bool:
    """JSON may escape half of a surrogate pair, which no UTF-8 can hold: such a name has no key and no id."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number_of(data: object) -> int:
    if type(data) is not int or not 0 <= data < 2**32:
        raise _Wrong(" is not an unsigned 32-bit number")
    return data


def _float_of(data: object) -> float:
    if type(data) is not float and type(data) is not int:
        raise _Wrong(" is not a number")
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Wrong(" is beyond any number")
    return number


def _flag_of(data: object) -> bool:
    if type(data) is not bool:
        raise _Wrong(" is not true or false")
    return data


def _optional_float(data: object) -> float | None:
    return None if data is None else _float_of(data)
