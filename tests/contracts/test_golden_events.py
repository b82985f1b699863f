"""One event of each kind with its bytes. Who changes a byte here changes the contract with every reader of the log.

`golden/<event>.json` is a record's value, byte for byte; `golden/<event>.headers.json` its key and headers.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from google.protobuf import json_format

from pushline.events.v1 import events_pb2
from pushline.line.codec import decode, encode
from pushline.line.events import (
    Commit,
    CommitPushed,
    Event,
    File,
    GateResult,
    Metric,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ids import event_id, partition_of, run_id
from pushline.line.records import Message, Record
from pushline.line.topics import BY_EVENT, TOPICS

GOLDEN = Path(__file__).parent / "golden"
SOURCE = "pushline/test"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RUN = "de620cea-54f1-5138-b19d-be1c5a263895"
COMMIT = Commit(
    repository="https://git.example.com/team/digits.git",
    ref="refs/heads/main",
    sha="3f786850e387550fdab836ed7e6dc881de23001b",
    before="89e6c98d92887913cadf06b2adb97f26cde4849b",
    author="Ada Lovelace <ada@example.com>",
    message='Wider network\n\n"quoted", naïve, 数字, 🚀\u2028end',
)
MODEL, MANIFEST = "11" * 32, "22" * 32
FILES = (File("model.h5", MODEL, 118_320), File("program.tflite", "33" * 32, 4_294_967_295))
PUSHED, TRAINED, EVALUATED, DEPLOYED = (
    "714daf4a-5dc0-5ef8-bf34-78c3e1fe7e7a",
    "f2463a83-02e4-5fd5-a354-0ea3f3a4a8df",
    "8c1d2f2b-9f10-5f9c-8a15-47a6b5c1c601",
    "5a3fd2c8-61a5-5d5f-b3f4-2f8e1c9d7b60",
)

EXAMPLES: dict[str, Event] = {
    "CommitPushed": CommitPushed("digits", RUN, 7, 2, COMMIT, PUSHED, 0, "Grace", "the store was away"),
    "ModelTrained": ModelTrained(
        "digits", RUN, 7, 2, COMMIT, PUSHED, "succeeded", "", "trained in 4 epochs", MODEL, MANIFEST, FILES, "bubblewrap"
    ),
    "ModelEvaluated": ModelEvaluated(
        model="digits",
        run_id=RUN,
        generation=7,
        attempt=2,
        commit=COMMIT,
        caused_by=TRAINED,
        digest=MODEL,
        baseline_digest="none",
        verdict="rejected",
        reason="gate",
        sentence="accuracy 0.9400 is under the gate 0.9500",
        gates=(
            GateResult("accuracy", "min", 0.95, 0.94, None, passed=False, sentence="accuracy 0.9400 is under the gate 0.9500"),
            GateResult("recall", "max_drop", 0.005, None, 1.0, passed=False, sentence="recall is missing"),
        ),
        metrics=(Metric("accuracy", 0.94), Metric("log_loss", 1e-07), Metric("rows", 360.0)),
        dataset_sha256="44" * 32,
        dataset_origin="repository",
        report_key="runs/digits/de620cea-54f1-5138-b19d-be1c5a263895/evaluation/none/x/report.json",
        report_sha256="55" * 32,
        manifest_sha256=MANIFEST,
        files=FILES,
    ),
    "ModelDeployed": ModelDeployed(
        model="digits",
        run_id=RUN,
        generation=7,
        attempt=2,
        commit=COMMIT,
        caused_by=EVALUATED,
        kind="promote",
        deploy_seq=12,
        previous=11,
        baseline_digest="66" * 32,
        floor_generation=3,
        actor="",
        outcome="deployed",
        reason="accepted",
        sentence="accuracy 0.9700, champion 0.9600",
        serving=(Serving(RUN, 7, 2, COMMIT, MODEL, MANIFEST, FILES, 100, "live"),),
        digest=MODEL,
    ),
    "ModelServed": ModelServed(
        "digits", RUN, 7, 2, COMMIT, DEPLOYED, 12, MODEL, "predictor-0", "b3a1", "failed", "store", "the store did not answer"
    ),
}


def test_there_is_one_example_of_every_event() -> None:
    assert EXAMPLES.keys() == {topic.event.__name__ for topic in TOPICS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_event_encodes_to_its_golden_bytes(name: str) -> None:
    message = encode(EXAMPLES[name], SOURCE, TRACEPARENT)

    assert message.value == (GOLDEN / f"{name}.json").read_bytes()
    assert _told(message) == json.loads((GOLDEN / f"{name}.headers.json").read_text())


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_bytes_decode_to_their_event(name: str) -> None:
    entry = decode(_golden_record(name))

    assert entry.event == EXAMPLES[name]
    assert (entry.subject, entry.source, entry.traceparent) == ("digits", SOURCE, TRACEPARENT)
    assert entry.event.run_id == run_id("digits", 7, 2, COMMIT.sha)
    assert entry.id == event_id(entry.event.run_id, entry.topic, entry.value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_value_is_the_protojson_of_the_contract(name: str) -> None:
    value = (GOLDEN / f"{name}.json").read_bytes()

    message = json_format.Parse(value, getattr(events_pb2, name)())

    again = json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert again == json.loads(value)
    assert value == json.dumps(again, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_cloudevents_sdk_reads_the_same_event(name: str) -> None:
    record = _golden_record(name)
    headers = {header: data for header, data in record.headers if data is not None}

    event = from_binary(KafkaMessage(headers=headers, key=record.key, value=record.value or b""), JSONFormat())

    topic = BY_EVENT[type(EXAMPLES[name])]
    assert (event.get_specversion(), event.get_type(), event.get_subject()) == ("1.0", topic.ce_type, "digits")
    assert (event.get_id(), event.get_source()) == (headers["ce_id"].decode(), SOURCE)
    assert event.get_datacontenttype() == "application/json"
    assert "ce_time" not in headers  # the SDK makes one up where there is none
    assert event.get_data() == json.loads(record.value or b"")


def _golden_record(name: str) -> Record:
    told = json.loads((GOLDEN / f"{name}.headers.json").read_text())
    key = told["key"].encode()
    headers = tuple((header, data.encode()) for header, data in told["headers"])
    return Record(told["topic"], partition_of(key, 4), 0, key, (GOLDEN / f"{name}.json").read_bytes(), headers, 0)


def _told(message: Message) -> dict[str, Any]:
    headers = [[name, data.decode()] for name, data in message.headers]
    return {"topic": message.topic, "key": message.key.decode(), "headers": headers}
