"""Gates: a repository may tighten what the operator demands, and add its own; it may not weaken anything."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pushline.objects.manifest import Gate
from pushline.runtime.operator_file import GateConfig
from pushline.runtime.strict_table import StrictTable, WrongKey

_METRIC = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
PARAMETERS = ("eps",)


class WeakenedGate(WrongKey):
    """The repository asks for less than the operator."""


@dataclass(frozen=True, slots=True)
class AskedGate:
    bounds: GateConfig
    parameters: dict[str, float]


def read_gates(table: StrictTable) -> dict[str, AskedGate]:
    """Raises WrongKey. A metric that nobody knows is read all the same: unknown, it refuses the model."""
    gates: dict[str, AskedGate] = {}
    for metric in table.keys():  # noqa: SIM118 - no mapping: it has no iteration of its own
        if not _METRIC.fullmatch(metric):
            raise table.wrong(metric, "is no name of a metric")
        gates[metric] = _read_gate(table.table(metric))
    table.finish()
    return gates


def _read_gate(table: StrictTable) -> AskedGate:
    bounds = GateConfig(table.number("min"), table.number("max"), table.number("max_drop"))
    if bounds.max_drop is not None and bounds.max_drop < 0:
        raise table.wrong("max_drop", f"{bounds.max_drop} is below 0")
    numbers = {name: table.number(name) for name in PARAMETERS}
    table.finish()
    return AskedGate(bounds, {name: value for name, value in numbers.items() if value is not None})


def merge_gates(operator: Mapping[str, GateConfig], asked: Mapping[str, AskedGate]) -> tuple[Gate, ...]:
    """Give every gate in the order of its metric's name. Raises WeakenedGate."""
    return tuple(_merge(metric, operator.get(metric), asked.get(metric)) for metric in sorted({*operator, *asked}))


def _merge(metric: str, operator: GateConfig | None, asked: AskedGate | None) -> Gate:
    if asked is None:
        assert operator is not None  # noqa: S101 - the metric is of one of the two
        return Gate(metric, operator.min, operator.max, operator.max_drop, {}, "operator")
    own, least = asked.bounds, operator or GateConfig(None, None, None)
    _refuse_weaker(f"gates.{metric}.min", least.min, own.min, rises=True)
    _refuse_weaker(f"gates.{metric}.max", least.max, own.max, rises=False)
    _refuse_weaker(f"gates.{metric}.max_drop", least.max_drop, own.max_drop, rises=False)
    merged = (_first(own.min, least.min), _first(own.max, least.max), _first(own.max_drop, least.max_drop))
    unchanged = operator is not None and not asked.parameters and merged == (least.min, least.max, least.max_drop)
    return Gate(metric, *merged, asked.parameters, "operator" if unchanged else "repository")


def _refuse_weaker(key: str, demanded: float | None, asked: float | None, *, rises: bool) -> None:
    if demanded is None or asked is None or (asked >= demanded if rises else asked <= demanded):
        return
    raise WeakenedGate(key, f"{asked:g} is weaker than the operator's {demanded:g}")


def _first(own: float | None, fallback: float | None) -> float | None:
    return fallback if own is None else own
