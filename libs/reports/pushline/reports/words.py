"""How numbers and gates are written for people, in every form of a report alike."""

from pushline.reports.findings import Difference, Estimate, SliceFound
from pushline.reports.report import GateRow, Report

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SHORT = 12  # characters of a digest
OPEN = ("set_cannot_tell", "champion_not_comparable")  # reasons that leave it to a person

_RULES = {
    "min": "at least",
    "max": "at most",
    "better_than_constant": "better than a constant's",
    "known": "must be a gate that exists",
    "slice_min": "of each slice at least",
}
_DROPS = {"max_drop": "", "slice_max_drop": "of each slice "}


def show(number: float | None) -> str:
    """Write a number that something is decided by: up to six significant digits."""
    return NOTHING if number is None else _signed(f"{number:.6g}")


def brief(number: float | None) -> str:
    """Write four digits, for what nothing is decided by."""
    return NOTHING if number is None else _signed(f"{number:.4g}")


def change(number: float | None) -> str:
    """Write a difference with its sign, in three digits: it is never surer than that."""
    return NOTHING if number is None else _signed(f"{number:+.3g}")


def _signed(number: str) -> str:
    """Write the minus in front as wide as a plus; the one of an exponent stays, so that it can be copied."""
    return MINUS + number[1:] if number.startswith("-") else number


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.3g} %"


def level(confidence: float) -> str:
    return f"{confidence * 100:.4g} %"


def interval(low: float | None, high: float | None) -> str:
    """Write an interval; an end that is missing is open."""
    if low is None and high is None:
        return NOTHING
    return f"{brief(low)} to {brief(high)}"


def estimate(found: Estimate) -> str:
    ends = interval(found.low, found.high)
    return brief(found.value) + ("" if ends == NOTHING else f" ({ends})")


def difference(found: Difference | None) -> str:
    """Write a difference and its bounds."""
    if found is None or found.value is None:
        return NOTHING
    if found.low is None and found.high is None:
        return change(found.value)
    return f"{change(found.value)} ({change(found.low)} to {change(found.high)})"


def size(count: float | None) -> str:
    if count is None:
        return NOTHING
    if count < 2**10:
        return f"{count:.0f} bytes"
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def seconds(count: float | None) -> str:
    if count is None:
        return NOTHING
    if count >= 1:
        return f"{count:.1f} s"
    return f"{count * 1e3:.2f} ms" if count >= 1e-3 else f"{count * 1e6:.1f} µs"  # noqa: PLR2004 - a millisecond


def short(digest: str) -> str:
    return digest[:SHORT]


def rule(gate: GateRow, report: Report) -> str:
    """Write what a gate asks for, as people would."""
    number = "" if gate.threshold is None else f" {show(gate.threshold)}"
    if gate.rule in _DROPS:
        way = "rise" if report.is_error(gate.metric) else "drop"
        return f"{_DROPS[gate.rule]}may {way} by at most{number}"
    return f"{_RULES.get(gate.rule, gate.rule.replace('_', ' '))}{number}"


def is_open(gate: GateRow) -> bool:
    """Say whether nothing was shown either way."""
    return not gate.passed and gate.reason in OPEN


def result(gate: GateRow) -> str:
    if gate.passed:
        return "passed"
    return "not decided" if is_open(gate) else "refused"


def slice_name(found: SliceFound) -> str:
    """Write which rows; a named predicate is its own name."""
    return f"{found.by} = {found.value}" if found.value else found.by


def sentence(text: str) -> str:
    """End with one full stop, and begin with a capital letter unless that would change a name (recall.dog, log_loss)."""
    first = text.partition(" ")[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def first_line(text: str, most: int = 120) -> str:
    lines = text.strip().splitlines()
    line = lines[0] if lines else ""
    return line if len(line) <= most else f"{line[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def worst_first(report: Report) -> list[GateRow]:
    """Give the gates, the refused ones in front and those that passed last."""
    return sorted(report.gates, key=lambda gate: (gate.passed, is_open(gate)))
