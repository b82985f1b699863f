"""Markdown tables as rows of cells, and the tests of this tree by name, found without running anything."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def table_after(text: str, mark: str) -> list[list[str]]:
    """Give the rows of the first table behind `mark`, without its head."""
    lines = text.partition(mark)[2].lstrip("\n").splitlines()
    rows = [_cells(line) for line in _while_table(lines)]
    return rows[2:]


@cache
def collected(root: Path) -> frozenset[str]:
    """Every test as `tests/…/test_x.py::test_name`."""
    return frozenset(
        f"{path.relative_to(root)}::{name}" for path in sorted((root / "tests").rglob("test_*.py")) for name in _tests(path)
    )


def _tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):  # a state machine of Hypothesis
            yield from (target.id for target in node.targets if isinstance(target, ast.Name) and target.id.startswith("Test"))


def _while_table(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
