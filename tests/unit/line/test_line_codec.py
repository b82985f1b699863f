import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from pushline.events.v1 import events_pb2
from pushline.line.broker import MAX_RECORD_BYTES, MessageTooLarge
from pushline.line.codec import MAX_MESSAGE_BYTES, NewerVersion, Undecodable, cut_message, decode, encode
from pushline.line.events import (
    NO_COMMIT,
    CommitPushed,
    Event,
    GateResult,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
)
from pushline.line.ledger import Ledger
from pushline.line.records import Record
from tests.unit.line.model import making as make

EVENTS: tuple[type[Event], ...] = (CommitPushed, ModelTrained, ModelEvaluated, ModelDeployed, ModelServed)
PROTO_TYPES: dict[Any, int] = {
    str: FieldDescriptor.TYPE_STRING,
    int: FieldDescriptor.TYPE_UINT32,
    float: FieldDescriptor.TYPE_DOUBLE,
    bool: FieldDescriptor.TYPE_BOOL,
}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: str(kind.__name__))
def test_a_dataclass_and_its_message_are_one(kind: type[Event]) -> None:
    _agree(kind, getattr(events_pb2, kind.__name__).DESCRIPTOR)


def _agree(kind: type, descriptor: Descriptor) -> None:
    hints = get_type_hints(kind)
    assert is_dataclass(kind)
    assert [each.name for each in fields(kind)] == [each.name for each in descriptor.fields]
    for each in descriptor.fields:
        inner = get_args(hints[each.name])[0] if get_args(hints[each.name]) else hints[each.name]
        repeated, optional = get_origin(hints[each.name]) is tuple, hints[each.name] == (inner | None)
        assert (each.is_repeated, each.has_presence and not each.message_type) == (repeated, optional)
        if each.message_type is None:
            assert each.type == PROTO_TYPES[inner]
        else:
            assert each.message_type.name == inner.__name__
            _agree(inner, each.message_type)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.integers(0, 2**32 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
RUN = st.sampled_from(["", make.push("m", 1, previous=0).run_id])


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(EVENTS))
    event: Event = draw(_any(kind))
    return replace(event, run_id=draw(RUN))


def _any(kind: Any) -> st.SearchStrategy[Any]:
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: NUMBER,
        float: FLOAT,
        bool: st.booleans(),
        float | None: st.none() | FLOAT,
    }
    if kind in plain:
        return plain[kind]
    if is_dataclass(kind) and isinstance(kind, type):
        return st.builds(kind, **{name: _any(hint) for name, hint in get_type_hints(kind).items()})
    return st.lists(_any(get_args(kind)[0]), max_size=2).map(tuple)


@given(any_event())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_is_written_is_what_is_read(event: Event) -> None:
    entry = decode(make.lay(event, 0))

    assert entry.event == event


def test_nothing_of_the_moment_is_in_a_record() -> None:
    message = encode(make.push("m", 1, previous=0), "here")

    assert "ce_time" not in dict(message.headers)
    assert message.headers == encode(make.push("m", 1, previous=0), "here").headers


def test_zero_values_are_written_and_absent_numbers_are_not() -> None:
    judged = make.evaluated(make.trained(make.push("m", 1, previous=0)), "none")
    gate = GateResult("accuracy", "min", 0.0, None, None, passed=False, sentence="")

    value = json.loads(encode(replace(judged, gates=(gate,)), "here").value)

    assert value["gates"] == [{"metric": "accuracy", "rule": "min", "threshold": 0.0, "passed": False, "sentence": ""}]
    assert (value["metrics"], value["files"]) == ([], [])


def test_an_event_above_64_kib_is_refused_before_it_is_sent() -> None:
    big = replace(make.push("m", 1, previous=0), reason="x" * MAX_RECORD_BYTES)

    with pytest.raises(MessageTooLarge, match=r"commit record of m has \d+ bytes; the limit is 65536"):
        encode(big, "here")


@pytest.mark.parametrize("wrong", [2**32, -1, "one", 1.5])
def test_a_number_of_the_wrong_kind_is_not_written(wrong: Any) -> None:
    with pytest.raises(ValueError, match="generation"):
        encode(replace(make.push("m", 1, previous=0), generation=wrong), "here")


def test_a_long_message_is_cut_at_a_character() -> None:
    cut = cut_message("é" * 2000)

    assert cut == "é" * (MAX_MESSAGE_BYTES // 2)
    assert cut_message("x" + "é" * 2000) == "x" + "é" * (MAX_MESSAGE_BYTES // 2 - 1)


A_PUSH = make.lay(make.push("m", 1, previous=0), 0)


def test_fields_from_the_future_are_ignored() -> None:
    assert decode(_with(later=1, commit={**json.loads(A_PUSH.value or b"")["commit"], "later": []})).event == decode(A_PUSH).event


def test_headers_without_a_value_are_ignored() -> None:
    assert decode(replace(A_PUSH, headers=(*A_PUSH.headers, ("x", None), ("y", b"\xff")))).event == decode(A_PUSH).event


def test_a_newer_major_version_is_told_from_rubbish() -> None:
    with pytest.raises(NewerVersion, match="this program knows version 1"):
        decode(_header("ce_type", b"dev.pushline.commit.v2"))


def _with(**changes: Any) -> Record:
    return replace(A_PUSH, value=json.dumps(json.loads(A_PUSH.value or b"") | changes).encode())


def _without(name: str) -> Record:
    return replace(
        A_PUSH, value=json.dumps({key: value for key, value in json.loads(A_PUSH.value or b"").items() if key != name}).encode()
    )


def _header(name: str, data: bytes) -> Record:
    return replace(A_PUSH, headers=tuple((dict(A_PUSH.headers) | {name: data}).items()))


NO_EVENTS: dict[str, tuple[Callable[[], Record], str]] = {
    "no value": (lambda: replace(A_PUSH, value=None), "without a value"),
    "no key": (lambda: replace(A_PUSH, key=None), "without a value or a key"),
    "no JSON": (lambda: replace(A_PUSH, value=b"\x00\x01"), "not JSON"),
    "no UTF-8": (lambda: replace(A_PUSH, value=b'{"model": "\xff"}'), "not JSON"),
    "not an object": (lambda: replace(A_PUSH, value=b"[]"), "not an object"),
    "deep": (lambda: replace(A_PUSH, value=b"[" * 60_000), "not JSON"),
    "a number of 5000 digits": (lambda: replace(A_PUSH, value=b'{"generation": ' + b"9" * 5000 + b"}"), "not JSON"),
    "a missing field": (lambda: _without("previous"), "value.previous is missing"),
    "a missing object": (lambda: _without("commit"), "value.commit is missing"),
    "text for a number": (lambda: _with(generation="1"), "value.generation"),
    "true for a number": (lambda: _with(generation=True), "value.generation"),
    "a fraction for a number": (lambda: _with(generation=1.0), "value.generation"),
    "above 32 bits": (lambda: _with(generation=2**32), "value.generation"),
    "below zero": (lambda: _with(generation=-1), "value.generation"),
    "null for text": (lambda: _with(actor=None), "value.actor"),
    "NaN": (lambda: replace(A_PUSH, value=b'{"model": NaN}'), "NaN is not JSON"),
    "half a character in the model": (lambda: _with(model="\ud800"), "value.model"),
    "half a character in the SHA": (
        lambda: _with(commit={**json.loads(A_PUSH.value or b"")["commit"], "sha": "\udfff"}),
        "value.commit.sha",
    ),
    "half a character in bytes": (
        lambda: replace(A_PUSH, value=(A_PUSH.value or b"").replace(b"Ada", b"\xed\xa0\x80")),
        "value.commit.author",
    ),
    "another topic's type": (lambda: _header("ce_type", b"dev.pushline.trained.v1"), "ce_type"),
    "an older version": (lambda: _header("ce_type", b"dev.pushline.commit.v0"), "ce_type"),
    "a version of 5000 digits": (lambda: _header("ce_type", b"dev.pushline.commit.v" + b"9" * 5000), "ce_type"),
    "a version in other digits": (lambda: _header("ce_type", "dev.pushline.commit.v²".encode()), "ce_type"),
    "no CloudEvent": (lambda: replace(A_PUSH, headers=()), "ce_specversion"),
    "a header in no UTF-8": (lambda: _header("ce_id", b"\xff"), "header ce_id is not UTF-8"),
    "no topic of the line": (lambda: replace(A_PUSH, topic="other"), "no topic of the line"),
}


@pytest.mark.parametrize("case", NO_EVENTS)
def test_what_is_no_event_is_said_to_be_none_and_the_fold_goes_on(case: str) -> None:
    make_it, sentence = NO_EVENTS[case]

    with pytest.raises(Undecodable, match=sentence):
        decode(make_it())
    assert [judgement.verdict for judgement in Ledger(make.PARTITIONS).fold(make_it())] == ["undecodable"]


@pytest.mark.parametrize("number", [b"1" + b"0" * 400, b"1e999", b"-1e999"], ids=["whole", "high", "low"])
def test_a_number_beyond_any_double_is_no_event(number: bytes) -> None:
    judged = make.lay(make.evaluated(make.trained(make.push("m", 1, previous=0)), "none"), 0)
    beyond = (judged.value or b"").replace(b'"metrics":[]', b'"metrics":[{"name":"accuracy","value":' + number + b"}]")

    with pytest.raises(Undecodable, match=r"value.metrics\[\].value"):
        decode(replace(judged, value=beyond))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(A_PUSH.value or b""))), JSON)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_json_in_any_field_stops_the_fold(name: str, rubbish: Any) -> None:
    record = replace(A_PUSH, value=json.dumps(json.loads(A_PUSH.value or b"") | {name: rubbish}).encode())

    verdicts = [judgement.verdict for judgement in Ledger(make.PARTITIONS).fold(record)]

    assert verdicts in (["undecodable"], ["invalid"], ["valid"])


@given(
    st.binary(max_size=80),
    st.binary(max_size=10),
    st.sampled_from(["ce_type", "ce_id", "ce_subject", "ce_specversion"]),
    st.binary(max_size=9),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_bytes_stop_the_fold(value: bytes, key: bytes, header: str, data: bytes) -> None:
    for record in (replace(A_PUSH, value=value, key=key), _header(header, data), replace(A_PUSH, key=key)):
        assert Ledger(make.PARTITIONS).fold(record)[0].verdict in ("undecodable", "invalid", "valid")


def test_a_hold_where_nothing_is_live_needs_no_run() -> None:
    held = make.hold("hold", "m", (), 1, 0)

    assert (held.run_id, held.commit) == ("", NO_COMMIT)
    assert decode(make.lay(held, 0)).id == make.id_of(held)
