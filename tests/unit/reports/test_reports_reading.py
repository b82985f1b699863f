"""report.json read and written: nothing is lost, nothing wrong is taken, and what was written before is still read."""

import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pushline.reports import BadReport, Report, dump, read
from pushline.reports.bounded import dump_within
from pushline.reports.findings import DataFacts, Estimate, SliceFound
from pushline.reports.measured import MeasuredCosts, dump_measured, read_measured
from pushline.reports.reading import MAX_BYTES
from pushline.reports.report import ClassRow, GateRow
from tests.fixtures.reports.complete import ATTACKS, complete, costs, hostile

FIXTURES = Path(__file__).parents[2] / "fixtures" / "reports"
SCHEMA: dict[str, Any] = json.loads(files("pushline.reports").joinpath("report.schema.json").read_text(encoding="utf-8"))


def valid(data: bytes) -> None:
    jsonschema.validate(json.loads(data), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_a_report_comes_back_as_it_was_and_fits_its_schema() -> None:
    data = dump(complete())

    assert read(data) == complete()
    assert dump(read(data)) == data
    valid(data)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_report_of_hostile_texts_is_a_report(attack: str) -> None:
    data = dump(hostile(attack))

    assert read(data) == hostile(attack)
    valid(data)


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    plain = json.loads(dump(complete()))
    change(plain)
    return json.dumps(plain).encode()


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a field that is missing": (lambda it: it.pop("verdict"), "verdict is missing"),
    "a field with a default that is missing": (lambda it: it.pop("slices"), "slices is missing"),
    "a field that is unknown": (lambda it: it.update(robust=1), "robust is unknown"),
    "a text for a number": (lambda it: it.update(generation="7"), "generation is not of type int"),
    "a truth value for a number": (lambda it: it.update(constant=True), "constant is not of type float"),
    "a number that is too large": (lambda it: it.update(constant=10**400), "constant is not finite"),
    "a metric that is no object": (lambda it: it["metrics"].update(accuracy=0.9), "metrics.accuracy is not an object"),
    "a gate without its rule": (lambda it: it["gates"][1].pop("rule"), "gates[1].rule is missing"),
    "a point of three numbers": (
        lambda it: it["drawings"][0]["series"][0]["points"].append([1, 2, 3]),
        "drawings[0].series[0].points[3] has 3 items, not 2",
    ),
    "labels that are no list": (lambda it: it.update(labels="cat"), "labels is not a list"),
    "an unknown verdict": (lambda it: it.update(verdict="perhaps"), "verdict is 'perhaps'; known are accepted"),
    "a newer schema": (lambda it: it.update(schema=3), "schema is 3; this program reads 1 and 2"),
    "a schema of another type": (lambda it: it.update(schema=True), "schema is True; this program reads 1 and 2"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_refused_and_named(change: Callable[[dict[str, Any]], Any], sentence: str) -> None:
    with pytest.raises(BadReport) as refused:
        read(changed(change))

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff", b'{"schema": NaN}', b'{"schema": 1}', b'{"schema": 1, "metrics": 5}'],
)
def test_bytes_that_are_no_report_are_refused(data: bytes) -> None:
    with pytest.raises(BadReport):
        read(data)


def test_numbers_that_are_not_finite_are_never_written() -> None:
    with pytest.raises(BadReport):
        dump(replace(complete(), constant=float("nan")))


@pytest.mark.parametrize(("name", "verdict", "metric"), [("digits", "accepted", "accuracy"), ("diabetes", "accepted", "rmse")])
def test_a_report_of_version_1_is_read_as_an_older_one(name: str, verdict: str, metric: str) -> None:
    data = (FIXTURES / f"version_1_{name}.json").read_bytes()

    report = read(data)

    assert report.is_older
    assert (report.verdict, report.first_metric) == (verdict, metric)
    assert report.metrics[metric] == Estimate(json.loads(data)["metrics"][metric])
    assert (report.slices, report.comparison, report.data) == ((), None, None)


def test_schema_and_dataclasses_have_the_same_fields() -> None:
    """The schema is written by hand; this holds every name in it, and which may be null, against the code."""

    def look(kind: Any, schema: Mapping[str, Any]) -> None:
        described = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        names = [field.name for field in fields(kind)]
        assert list(described["properties"]) == names, kind
        assert described["required"] == names, kind
        assert described["additionalProperties"] is False
        for name, hint in typing.get_type_hints(kind).items():
            for inner in _dataclasses(hint):
                look(inner, _schema_of(described["properties"][name]))

    look(Report, SCHEMA)


def _dataclasses(hint: Any) -> list[Any]:
    if is_dataclass(hint):
        return [hint]
    return [found for inner in typing.get_args(hint) for found in _dataclasses(inner)]


def _schema_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Go through lists, objects by name and null to the object described."""
    for way in ("items", "additionalProperties"):
        if isinstance(schema.get(way), Mapping) and "properties" not in schema:
            return _schema_of(schema[way])
    if "anyOf" in schema:
        return _schema_of(next(each for each in schema["anyOf"] if each != {"type": "null"}))
    return schema


def large(classes: int, slices: int, label: str) -> Report:
    names = [f"{label}{at}" for at in range(classes)]
    number = Estimate(0.912345678901, 0.812345678901, 0.952345678901)
    each = {f"{metric}.{name}": number for name in names for metric in ("precision", "recall", "f1")}
    many = ("accuracy", "balanced_accuracy", "f1", "log_loss", "brier", "roc_auc", "pr_auc", "ece")
    found = SliceFound(
        "label", label, 3, dict.fromkeys(many, number), dict.fromkeys(many, 0.9123456), None, dict.fromkeys(many, 0.1)
    )
    return replace(
        complete(),
        labels=tuple(names),
        classes=tuple(ClassRow(name, 10, 0.912345678, 0.912345678, 0.912345678) for name in names),
        metrics={**complete().metrics, **each},
        slices=tuple(replace(found, value=f"{label}{at}") for at in range(slices)),
        data=DataFacts(100_000, dict.fromkeys(names, 10), 0.0, 0.0, 0),
        confusion=((0,) * 500,) * 500,
    )


def test_ten_thousand_classes_and_a_thousand_slices_fit_whole() -> None:
    data = dump_within(large(10_000, 1_000, "a class of some length "))

    assert len(data) <= MAX_BYTES
    assert read(data).left_out == ()


def test_a_report_that_would_be_too_large_says_what_it_leaves_out_and_keeps_its_gates() -> None:
    gate = GateRow("recall.x7", "min", 0.5, 0.9, None, passed=True, sentence="recall.x7 keeps to min 0.5")
    report = replace(large(10_000, 1_000, "x" * 250), gates=(gate,))

    data = dump_within(report)

    assert len(data) <= MAX_BYTES
    assert read(data).left_out[0] == "metrics of single classes"
    assert read(data).gates == (gate,)
    valid(data)


@pytest.mark.parametrize("most", [200_000, 20_000])
def test_however_little_room_there_is_the_decision_stays(most: int) -> None:
    report = read(dump_within(large(300, 300, "x" * 100), most))

    assert (report.verdict, report.sentence) == (complete().verdict, complete().sentence)
    assert report.left_out


def test_costs_come_back_and_what_is_no_file_of_costs_is_nothing() -> None:
    nothing = {"child_seconds": 1.0, "load_seconds": None, "run_seconds": 2, "seconds_per_row": None, "peak_memory_bytes": 7}
    older = json.dumps({"schema": 1, **nothing}).encode()
    assert read_measured(dump_measured(costs())) == costs()
    assert read_measured(older) == MeasuredCosts(1, 1.0, None, 2.0, None, 7.0)
    assert read_measured(b"") is None
    assert read_measured(b'{"schema": 1}') is None
