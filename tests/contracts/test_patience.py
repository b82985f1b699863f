"""Rules of waiting and giving up: one table, which the code is, and every end of patience has a test that hears it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pushline.engine import tensorflow
from pushline.line.patience import FOR_EVER, TABLE
from pushline.objects.minio_store import RETRIES
from tests.contracts.documented import collected, table_after

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WAITS = ("BACK_OFF_SECONDS", "REST_SECONDS", "RETRY_SECONDS", "PAUSE_SECONDS", "WAIT_SECONDS", "MAX_TRIES")
OWN = {"libs/engine/pushline/engine/tensorflow.py"}  # a library of its own, which imports nothing of the line


def test_the_table_of_patience_is_the_code() -> None:
    shown = table_after(ARCHITECTURE, "### Patience\n")

    assert shown[: len(TABLE)] == [
        [
            rule.trouble,
            rule.who,
            f"{rule.first_seconds:g} s",
            f"{rule.longest_seconds:g} s",
            "for ever" if rule.tries == FOR_EVER else f"{rule.tries} tries",
            rule.meanwhile,
        ]
        for rule in TABLE
    ]
    engine, store = shown[len(TABLE) :]
    assert engine[2:4] == [f"{tensorflow.FIRST_PAUSE_SECONDS:g} s", f"{tensorflow.LONGEST_PAUSE_SECONDS:g} s"]
    assert store[2:5] == [
        f"{RETRIES.backoff_factor:g} s",
        f"{RETRIES.backoff_factor * 2:g} s",
        f"{1 + RETRIES.total if isinstance(RETRIES.total, int) else 0} tries",
    ]


def test_no_rule_of_waiting_stands_outside_the_table() -> None:
    files = [path for part in ("libs", "services", "cli") for path in sorted((ROOT / part).rglob("*.py"))]

    found = {str(path.relative_to(ROOT)) for path in files for _ in _numbers(path)}

    assert found == OWN


def test_whoever_gives_up_is_heard_by_a_test() -> None:
    rows = table_after(ARCHITECTURE, "### Who gives up\n")
    named = [name.strip(" `") for row in rows for name in row[-1].split(",")]

    assert len(rows) >= 9
    assert set(named) <= collected(ROOT), set(named) - collected(ROOT)


def test_whatever_grows_has_a_bound_and_a_test_that_holds_it() -> None:
    rows = table_after(ARCHITECTURE, "### What grows, and what bounds it\n")
    named = {name.strip(" `") for row in rows for name in row[-1].split(",")}

    assert len(rows) >= 14
    assert named <= collected(ROOT), named - collected(ROOT)


def _numbers(path: Path) -> Iterator[str]:
    """Give names of waiting to which a bare number is assigned."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            bare = any(isinstance(part, ast.Constant) for part in ast.walk(node.value))
            yield from (name for name in names if bare and name.endswith(WAITS))
