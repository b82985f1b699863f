"""From bytes to a Report and back. Strict: what is missing, unknown or of a wrong type is refused, and the field is named."""

import json
from dataclasses import fields
from typing import Any

from pushline.reports.report import READ, SCHEMA, Report
from pushline.reports.typed import BadReport, build, names

MAX_BYTES = 16 * 2**20
VERDICTS = ("accepted", "rejected", "inconclusive", "failed")

Json = dict[str, Any]


def read(data: bytes) -> Report:
    """Raises BadReport."""
    plain = parse(data)
    schema = plain.get("schema")
    if schema not in READ or type(schema) is not int:
        raise BadReport(f"schema is {str(schema)[:20]}; this program reads {' and '.join(map(str, READ))}")
    report: Report = build(Report, _from_first(plain) if schema < SCHEMA else plain)
    _demand(report.verdict in VERDICTS, f"verdict is {report.verdict[:40]!r}; known are {', '.join(VERDICTS)}")
    if not report.is_older:
        _demand(not (missing := names(Report) - plain.keys()), f"{', '.join(sorted(missing))} is missing")
    return report


def parse(data: bytes) -> Json:
    """Give the object that the bytes hold, whatever is in it. Raises BadReport."""
    if len(data) > MAX_BYTES:
        raise BadReport(f"it has {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        plain = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadReport(f"it is not JSON: {error}") from None
    if not isinstance(plain, dict):
        raise BadReport("it is not an object")
    return plain


def dump(report: Report) -> bytes:
    """Give the bytes, the same for equal reports. Raises BadReport for what read would not give back."""
    data = to_bytes(report)
    read(data)
    return data


def to_bytes(report: Report) -> bytes:
    """Give the bytes, whether they can be read or not. Raises BadReport where there are none."""
    try:
        text = json.dumps(report, default=_plain, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
        return text.encode() + b"\n"
    except ValueError as error:
        raise BadReport(f"it has no JSON form: {error}") from None


def _plain(part: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    """Give a dataclass's fields; its values stay as they are, where `asdict` would copy each of them."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _from_first(plain: Json) -> Json:
    """Give a version-1 report the form of version 2."""
    metrics = plain.get("metrics")
    if not isinstance(metrics, dict):
        raise BadReport("metrics is not an object")
    return {**plain, "metrics": {name: {"value": value} for name, value in metrics.items()}}


def _demand(holds: object, sentence: str) -> None:
    if not holds:
        raise BadReport(sentence)
