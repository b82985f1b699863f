"""A model card as model hubs read it: README.md with YAML in front, the metrics as a model-index.

The YAML is written as JSON values, which are YAML as well; so no text of a stranger can end its value.
"""

import json
from collections.abc import Iterator

from pushline.reports import words
from pushline.reports.forge_text import code, line, text
from pushline.reports.markdown import MOST_ROWS, table
from pushline.reports.report import Report

PICTURE_RANK = 4  # batch, height, width, channels
MOST_METRICS = 100


def model_card(report: Report) -> str:
    """Give README.md. A hub's licence is not known here, so none is named."""
    return "\n".join(["---", *_front(report), "---", "", *_body(report)])


def _front(report: Report) -> Iterator[str]:
    yield "library_name: keras"
    yield f"tags: {_json(['pushline', 'keras', *([report.task] if report.task else [])])}"
    task = task_type(report)
    if task:
        yield f"pipeline_tag: {_json(task)}"
    names = [name for name in report.metrics if "." not in name][:MOST_METRICS]
    values = [(name, value) for name in names if (value := report.metrics[name].value) is not None]
    if not values or report.dataset is None:
        return
    yield f"metrics: {_json([name for name, _ in values])}"
    yield "model-index:"
    yield f"- name: {_json(report.model)}"
    yield "  results:"
    yield f"  - task: {_json({'type': task or report.task})}"
    about = {"type": report.dataset.sha256, "name": f"evaluation set of {report.model}", "revision": report.dataset.sha256}
    yield f"    dataset: {_json(about)}"
    yield "    metrics:"
    for name, value in values:
        yield f"    - type: {_json(name)}"
        yield f"      value: {_number(value)}"
        yield f"      name: {_json(_with_interval(report, name))}"


def task_type(report: Report) -> str:
    """Give the hubs' word for what the model does, by its task and the shape of its first input; empty where there is none."""
    if not report.inputs or any(each.dtype == "string" for each in report.inputs):
        return "text-classification" if report.inputs and report.task == "classification" else ""
    if len(report.inputs) == 1 and len(report.inputs[0].shape) == PICTURE_RANK and report.task == "classification":
        return "image-classification"
    return {"classification": "tabular-classification", "regression": "tabular-regression"}.get(report.task, "")


def _with_interval(report: Report, name: str) -> str:
    found = report.metrics[name]
    ends = words.interval(found.low, found.high)
    return name if ends == words.NOTHING else f"{name} ({words.level(report.confidence)} interval {ends})"


def _number(value: float) -> str:
    """YAML takes a number without a point for a text."""
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


def _json(value: object) -> str:
    return json.dumps(_cleaned(value), ensure_ascii=False, allow_nan=False)


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return line(value, 200)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {name: _cleaned(each) for name, each in value.items()}
    return value


def _body(report: Report) -> Iterator[str]:
    yield f"# {text(report.model, 80)}"
    yield ""
    made = f"trained from commit {code(report.commit.sha)} of {text(report.commit.repository)}"
    yield f"A Keras model, {made} and judged by Pushline."
    yield ""
    yield f"**{report.verdict.capitalize()}.** {text(words.sentence(report.sentence), 1000)}"
    yield from _inputs(report)
    yield from _evaluation(report)
    yield from _training(report)
    yield from _limits(report)


def _inputs(report: Report) -> Iterator[str]:
    if not report.inputs:
        return
    rows = [
        (side, text(each.name, 80), text(each.dtype, 40), " by ".join("any" if size < 0 else str(size) for size in each.shape))
        for side, specs in (("input", report.inputs), ("output", report.outputs))
        for each in specs
    ]
    yield from ("", "## Inputs and outputs", "", table(("Side", "Name", "Type", "Shape"), rows))
    if report.labels:
        more = f", and {len(report.labels) - MOST_ROWS} more" if len(report.labels) > MOST_ROWS else ""
        yield from ("", f"Classes: {', '.join(text(label, 60) for label in report.labels[:MOST_ROWS])}{more}.")


def _evaluation(report: Report) -> Iterator[str]:
    if report.dataset is None or not report.metrics:
        return
    whose = "the repository itself" if report.dataset.origin == "repository" else "a store that the training cannot read"
    yield from ("", "## Evaluation", "")
    yield f"On {report.dataset.rows} rows from {whose} (SHA-256 {code(report.dataset.sha256)}), with the program that serves."
    rows = [(text(name, 80), words.estimate(found)) for name, found in report.metrics.items() if "." not in name]
    yield from ("", table(("Metric", f"Value ({words.level(report.confidence)} interval)"), rows, MOST_METRICS))


def _training(report: Report) -> Iterator[str]:
    yield from ("", "## Training", "")
    made = ", ".join(f"{text(name, 40)} {text(version, 40)}" for name, version in sorted(report.versions.items()))
    epochs = max((len(values) for values in report.history.values()), default=0)
    facts = (
        ("Made with", made),
        ("Loss", text(report.loss)),
        ("Epochs", str(epochs) if epochs else ""),
        ("Sandbox", text(report.sandbox)),
    )
    yield from (f"* {name}: {said}" for name, said in facts if said)
    yield f"* Run {code(report.run_id)}, attempt {report.attempt}; model.h5 {code(report.digest)}"


def _limits(report: Report) -> Iterator[str]:
    yield from ("", "## Limits", "")
    yield "The numbers hold for rows like those of the evaluation set, and for no others."
    data = report.data
    if data is not None and data.leakage is not None:
        yield f"Of its rows {words.percent(data.leakage)} also stood in the training data."
    if report.dataset is not None and report.dataset.origin == "repository":
        yield "The set came from the repository, so training code could have read it."
    yield ""
