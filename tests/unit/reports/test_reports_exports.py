"""Model cards and bills of materials, held against what reads them: YAML, and the official schema of CycloneDX."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pushline.reports.bom import bill_of_materials
from pushline.reports.card import model_card
from pushline.reports.findings import Estimate
from pushline.reports.report import Report, Tensor
from tests.fixtures.reports.complete import ATTACKS, complete, hostile

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def front_of(report: Report) -> Mapping[str, Any]:
    """Cut the YAML out as a hub does: between the first two lines of three dashes."""
    begin, front, _ = model_card(report).split("---\n", 2)
    assert begin == ""
    loaded: Mapping[str, Any] = yaml.safe_load(front)
    return loaded


def test_a_card_has_the_metrics_as_a_model_index() -> None:
    front = front_of(complete())

    assert (front["library_name"], front["pipeline_tag"]) == ("keras", "image-classification")
    (model,) = front["model-index"]
    (result,) = model["results"]
    assert model["name"] == "pets"
    assert result["task"] == {"type": "image-classification"}
    assert result["dataset"] == {"type": "a" * 64, "name": "evaluation set of pets", "revision": "a" * 64}
    assert result["metrics"][0] == {"type": "accuracy", "value": 0.944, "name": "accuracy (95 % interval 0.92 to 0.961)"}
    assert [metric["type"] for metric in result["metrics"]] == ["accuracy", "log_loss"]


@pytest.mark.parametrize("value", [1e-5, 1e16, 0.1, 123456789.0, -2e-300])
def test_numbers_of_a_card_are_numbers(value: float) -> None:
    front = front_of(replace(complete(), metrics={"accuracy": Estimate(value)}))

    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == value


@pytest.mark.parametrize(
    ("task", "inputs", "word"),
    [
        ("classification", [("float32", (-1, 4))], "tabular-classification"),
        ("regression", [("float32", (-1, 4))], "tabular-regression"),
        ("classification", [("string", (-1, 1))], "text-classification"),
        ("multilabel", [("float32", (-1, 4))], None),
    ],
)
def test_a_card_names_the_task_as_hubs_do(task: str, inputs: list[tuple[str, tuple[int, ...]]], word: str | None) -> None:
    tensors = tuple(Tensor("x", dtype, shape) for dtype, shape in inputs)

    assert front_of(replace(complete(), task=task, inputs=tensors)).get("pipeline_tag") == word


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_stay_inside_their_values(attack: str) -> None:
    front = front_of(hostile(attack))

    assert set(front) <= {"library_name", "tags", "pipeline_tag", "metrics", "model-index"}
    assert "<script" not in model_card(hostile(attack)).split("---\n", 2)[2]


def test_a_model_without_numbers_has_a_card_without_an_index() -> None:
    assert "model-index" not in front_of(replace(complete(), metrics={}))
    assert "model-index" not in front_of(replace(complete(), dataset=None))


@pytest.mark.parametrize(
    "report", [complete(), *map(hostile, ATTACKS), replace(complete(), dataset=None, inputs=(), gates=(), slices=())]
)
def test_a_bill_of_materials_keeps_to_the_official_schema(report: Report) -> None:
    assert VALIDATOR.validate_str(bill_of_materials(report).decode()) is None


def test_a_bill_of_materials_names_model_files_set_and_packages() -> None:
    bill = json.loads(bill_of_materials(complete()))

    model = bill["metadata"]["component"]
    assert (model["type"], model["version"], model["hashes"]) == (
        "machine-learning-model",
        "1f" * 20,
        [{"alg": "SHA-256", "content": "d" * 64}],
    )
    assert {each["bom-ref"] for each in bill["components"]} == {
        "file:model.h5",
        "file:program.tflite",
        "dataset",
        "library:keras",
        "library:python",
        "library:tensorflow",
    }
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {"type": "accuracy", "value": "0.944", "confidenceInterval": {"lowerBound": "0.92", "upperBound": "0.961"}}
    assert {metric.get("slice") for metric in metrics} == {None, "label = cat", "label = dog", "young"}


def test_equal_reports_make_equal_bills() -> None:
    assert bill_of_materials(complete()) == bill_of_materials(complete())
    assert (
        json.loads(bill_of_materials(complete()))["serialNumber"]
        != json.loads(bill_of_materials(replace(complete(), digest="0" * 64)))["serialNumber"]
    )
