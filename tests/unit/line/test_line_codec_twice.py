"""What msgspec reads of an event is what json reads; where it does not, json decides."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushline.line.codec import MAX_DIGITS, Undecodable, encode, event_of
from pushline.line.events import Event
from pushline.line.topics import BY_NAME
from tests.unit.line.model import making as make

PUSH = make.push("a", 1, previous=0)
TRAINED = make.trained(PUSH)
EVENTS: tuple[Event, ...] = (
    PUSH,
    TRAINED,
    make.evaluated(TRAINED, "none"),
    make.deployed("promote", PUSH, "m", 1, 0),
    make.served(make.deployed("promote", PUSH, "m", 1, 0)),
)
NUMBERS = (
    "1.0",
    "1e2",
    "-0",
    "-1",
    "4294967295",
    "4294967296",
    "1e400",
    "01",
    "1.",
    ".5",
    "1" * 100,
    "18446744073709551616",
    "2e-400",
)
TEXTS = ('"1"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\x01"')
RAW = (*NUMBERS, *TEXTS, "true", "null", "NaN", "Infinity", "[]", "{}", "[1,]", "[[[[]]]]")


def by_json(topic: str, value: bytes, monkeypatch: pytest.MonkeyPatch) -> Event | str:
    with monkeypatch.context() as patched:
        patched.setattr("pushline.line.codec.MAX_DIGITS", -1)
        return read(topic, value)


def read(topic: str, value: bytes) -> Event | str:
    try:
        return event_of(topic, value)
    except Undecodable as error:
        return str(error)


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("event", EVENTS)
def test_odd_values_in_any_field_and_beside_them_are_read_alike(event: Event, raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(event, "test")
    data: dict[str, Any] = json.loads(message.value)
    for name in (*data, "unknown", "commit.sha"):
        value = json.dumps({**data, name: "HERE"}).replace('"HERE"', raw).encode()
        right = by_json(message.topic, value, monkeypatch)
        assert repr(read(message.topic, value)) == repr(right)


@given(topic=st.sampled_from(sorted(BY_NAME)), value=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_bytes_that_are_no_event_are_told_of_by_json(topic: str, value: bytes) -> None:
    with pytest.raises(Undecodable):
        event_of(topic, value)


@pytest.mark.parametrize("odd", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_text_that_is_no_utf8_in_a_field_that_nobody_reads_is_read_alike(odd: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(PUSH, "test")
    value = message.value[:-1] + b',"unknown":"' + odd + b'"}'
    assert repr(read("commit", value)) == repr(by_json("commit", value, monkeypatch))


def test_a_number_of_more_digits_than_json_reads_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(PUSH, "test")
    value = message.value[:-1] + b',"unknown":' + b"1" * (MAX_DIGITS + 1) + b"}"
    assert isinstance(read("commit", value), str)
    assert read("commit", value) == by_json("commit", value, monkeypatch)


@given(number=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80))
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_numbers_are_read_to_the_last_bit(number: float) -> None:
    message = encode(make.evaluated(TRAINED, "none"), "test")
    data: dict[str, Any] = json.loads(message.value) | {"metrics": [{"name": "accuracy", "value": number}]}
    told = event_of("evaluated", json.dumps(data).encode())
    assert repr(told.metrics[0].value) == repr(float(number))  # type: ignore[union-attr]
