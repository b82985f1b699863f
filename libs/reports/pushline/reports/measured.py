"""measured.json: what differs from one evaluation of the same work to the next, so it stands beside the report. Read leniently."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pushline.reports.reading import parse
from pushline.reports.typed import BadReport, build


@dataclass(frozen=True, slots=True)
class Cost:
    """A figure of serving, such as latency_p50_ms, and the live model's beside it."""

    value: float | None
    champion: float | None = None


@dataclass(frozen=True, slots=True)
class MeasuredCosts:
    schema: int
    child_seconds: float | None
    load_seconds: float | None
    run_seconds: float | None
    seconds_per_row: float | None
    peak_memory_bytes: float | None
    costs: Mapping[str, Cost] | None = None
    evaluation_seconds: float | None = None  # from files that are here to the verdict, the children's included


def dump_measured(measured: MeasuredCosts) -> bytes:
    return json.dumps(asdict(measured), sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def read_measured(data: bytes) -> MeasuredCosts | None:
    """None where it cannot be read: nothing is decided by it."""
    try:
        measured: MeasuredCosts = build(MeasuredCosts, parse(data))
    except BadReport:
        return None
    return measured
