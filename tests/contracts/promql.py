"""What a PromQL expression names: read by a parser of the grammar, not by patterns."""

from collections.abc import Iterator
from typing import Any

import promql_parser as grammar


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """Give each metric that is asked for, with the labels that it is matched by. Raises ValueError where it is no PromQL."""
    found = (node for node in _walk(grammar.parse(expr)) if isinstance(node, grammar.VectorSelector))
    return [(each.name or "", {matcher.name for matcher in each.matchers.matchers}) for each in found]


def grouped_by(expr: str) -> set[str]:
    """Give every label that the expression groups by."""
    nodes = (node for node in _walk(grammar.parse(expr)) if isinstance(node, grammar.AggregateExpr))
    return {label for node in nodes if node.modifier is not None for label in node.modifier.labels}


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None and hasattr(child, "prettify"):
            yield from _walk(child)
    for child in getattr(node, "args", None) or ():
        yield from _walk(child)
