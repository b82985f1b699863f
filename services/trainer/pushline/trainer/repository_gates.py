"""Gates: a repository may tighten what the operator demands, and add its own; it may not weaken anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from pushline.objects.costs import TOLERANCES
from pushline.objects.manifest import Gate
from pushline.runtime.operator_file import CONFIDENCE, GateConfig, gated_metrics, read_bounds
from pushline.runtime.strict_table import StrictTable, WrongKey

PARAMETERS = ("eps",)
DEFAULT_CONFIDENCE = 0.95
_NOTHING = GateConfig(None, None, None)


class WeakenedGate(WrongKey):
    """The repository asks for less than the operator."""


@dataclass(frozen=True, slots=True)
class AskedGate:
    bounds: GateConfig
    parameters: dict[str, float]


def read_gates(table: StrictTable) -> dict[str, AskedGate]:
    """Read what stands beside the confidence. A metric that nobody knows is read too: it refuses the model. Raises WrongKey."""
    gates = {metric: _read_gate(table.table(metric)) for metric in gated_metrics(table)}
    table.finish()
    return gates


def _read_gate(table: StrictTable) -> AskedGate:
    bounds = read_bounds(table)
    numbers = {name: table.number(name) for name in PARAMETERS}
    table.finish()
    return AskedGate(bounds, {name: value for name, value in numbers.items() if value is not None})


def merge_confidence(operator: float | None, asked: float | None) -> float:
    """Raises WeakenedGate."""
    _refuse_weaker(f"gates.{CONFIDENCE}", operator, asked, rises=True)
    given = _first(asked, operator)
    return DEFAULT_CONFIDENCE if given is None else given


def merge_gates(operator: Mapping[str, GateConfig], asked: Mapping[str, AskedGate]) -> tuple[Gate, ...]:
    """Give every gate in the order of its metric's name. Raises WeakenedGate."""
    return tuple(_merge(metric, operator.get(metric), asked.get(metric)) for metric in sorted({*operator, *asked}))


def _merge(metric: str, operator: GateConfig | None, asked: AskedGate | None) -> Gate:
    if asked is None:
        return _gate(metric, operator or _NOTHING, {}, "operator")
    least = operator or _NOTHING
    _refuse_weakened(metric, least, asked.bounds)
    merged = _merged(least, asked.bounds)
    unchanged = operator is not None and not asked.parameters and merged == least
    return _gate(metric, merged, asked.parameters, "operator" if unchanged else "repository")


def _refuse_weakened(metric: str, least: GateConfig, own: GateConfig) -> None:
    key = f"gates.{metric}"
    _refuse_weaker(f"{key}.min", least.min, own.min, rises=True)
    _refuse_weaker(f"{key}.max", least.max, own.max, rises=False)
    _refuse_weaker(f"{key}.max_drop", least.max_drop, own.max_drop, rises=False)
    _refuse_weaker(f"{key}.slice_min", least.slice_min, own.slice_min, rises=True)
    _refuse_weaker(f"{key}.slice_max_drop", least.slice_max_drop, own.slice_max_drop, rises=False)
    _refuse_weaker(f"{key}.tolerance", _demanded_tolerance(metric, least), own.tolerance, rises=False)
    if least.sure and own.sure is False:
        raise WeakenedGate(f"{key}.sure", "false is weaker than the operator's true")


def _demanded_tolerance(metric: str, least: GateConfig) -> float | None:
    """What the operator says, or means by saying nothing beside a bound."""
    if least.tolerance is not None or (least.max is None and least.max_drop is None):
        return least.tolerance
    return TOLERANCES.get(metric)


def _merged(least: GateConfig, own: GateConfig) -> GateConfig:
    return GateConfig(
        _first(own.min, least.min),
        _first(own.max, least.max),
        _first(own.max_drop, least.max_drop),
        least.sure if own.sure is None else own.sure,
        _first(own.slice_min, least.slice_min),
        _first(own.slice_max_drop, least.slice_max_drop),
        _first(own.tolerance, least.tolerance),
    )


def _gate(metric: str, bounds: GateConfig, parameters: dict[str, float], set_by: str) -> Gate:
    return Gate(
        metric,
        bounds.min,
        bounds.max,
        bounds.max_drop,
        parameters,
        set_by,
        bool(bounds.sure),
        bounds.slice_min,
        bounds.slice_max_drop,
        bounds.tolerance,
    )


def _refuse_weaker(key: str, demanded: float | None, asked: float | None, *, rises: bool) -> None:
    if demanded is None or asked is None or (asked >= demanded if rises else asked <= demanded):
        return
    raise WeakenedGate(key, f"{asked:g} is weaker than the operator's {demanded:g}")


def _first(own: float | None, fallback: float | None) -> float | None:
    return fallback if own is None else own
