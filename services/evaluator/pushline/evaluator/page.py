"""report.html: one self-contained page for people, without a script or a request. What it says stands in report.json."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from pushline.evaluator import curves
from pushline.evaluator.charts import Chart
from pushline.evaluator.gates import is_error, show

LARGEST_MATRIX = 20  # classes; above it the page lists what is confused most
MOST_CONFUSED = 15
NOTHING = "\N{EN DASH}"

Json = Mapping[str, Any]


def page(report: Json, measured_json: bytes, drawn: Sequence[Chart]) -> bytes:
    """`drawn` shows how the answers lie against the truth; nothing where the run was refused before it was measured."""
    text = _template().render(
        report=report,
        measured=json.loads(measured_json),
        numbers=_numbers(report),
        matrix=_matrix(report) if 0 < len(report["confusion"]) <= LARGEST_MATRIX else (),
        confused=_confused(report) if len(report["confusion"]) > LARGEST_MATRIX else (),
        training=curves.training(report["history"]),
        answers=drawn,
    )
    return text.encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pushline.evaluator", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "show": _show,
        "brief": _brief,
        "change": _change,
        "short": _short,
        "size": _size,
        "percent": _percent,
        "rule": _rule,
        "time": _time,
    }
    return environment.get_template("page.html.j2")


def _show(number: float | None) -> str:
    return NOTHING if number is None else show(number)


def _brief(number: float | None) -> str:
    """Write four digits, for tables that nothing is decided by."""
    return NOTHING if number is None else f"{number:.4g}"


def _change(number: float | None) -> str:
    """Write a difference with its sign; the minus is as wide as the plus."""
    return NOTHING if number is None else f"{number:+.4g}".replace("-", "\N{MINUS SIGN}")


def _short(digest: str) -> str:
    return digest[:12]


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _size(count: float | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"  # noqa: PLR2004


def _rule(gate: Json) -> str:
    """Write a gate as people would."""
    lower = is_error(gate["metric"])
    words = {
        "min": "at least",
        "max": "at most",
        "max_drop": "may rise by at most" if lower else "may drop by at most",
        "better_than_constant": "lower than a constant's" if lower else "higher than a constant's",
        "known": "must be a gate that exists",
    }
    number = "" if gate["threshold"] is None else f" {show(gate['threshold'])}"
    return f"{words[gate['rule']]}{number}"


def _numbers(report: Json) -> list[dict[str, Any]]:
    """The metrics that are not of one class, beside the live model's, and whether the change is for the better."""
    live = report["champion"]["metrics"] if report["champion"] else {}
    rows = []
    for name, value in report["metrics"].items():
        if "." in name:
            continue
        before = live.get(name)
        change = value - before if value is not None and before is not None else None
        better = None if not change else (change < 0) == is_error(name)
        rows.append({"name": name, "value": value, "live": before, "change": change, "better": better})
    return rows


def _labels(report: Json) -> list[str]:
    return [row["label"] for row in report["classes"]]


def _matrix(report: Json) -> list[dict[str, Any]]:
    rows = []
    for at, (label, counts) in enumerate(zip(_labels(report), report["confusion"], strict=True)):
        total = sum(counts)
        cells = [
            {"count": count, "shade": math.sqrt(count / total) if total else 0.0, "right": at == said}
            for said, count in enumerate(counts)
        ]
        rows.append({"label": label, "cells": cells, "total": total})
    return rows


def _confused(report: Json) -> list[dict[str, Any]]:
    labels = _labels(report)
    pairs = [
        {"true": labels[at], "said": labels[said], "count": count}
        for at, counts in enumerate(report["confusion"])
        for said, count in enumerate(counts)
        if at != said and count
    ]
    return list(islice(sorted(pairs, key=lambda pair: -pair["count"]), MOST_CONFUSED))
