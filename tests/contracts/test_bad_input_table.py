"""docs/BAD_INPUT.md: numbered without a gap, and every row names tests that exist, with their case where one is named."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.documented import table_after

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "BAD_INPUT.md").read_text(encoding="utf-8")
ROWS = table_after(TABLE, "every test named here exists.\n")


def named(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[4])


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Every case of the named files as pytest calls it."""
    files = sorted({test.partition("::")[0] for row in ROWS for test in named(row)})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert told.returncode == 0, told.stdout[-3000:]
    return {line for line in told.stdout.splitlines() if "::" in line}


def test_rows_are_numbered_without_a_gap() -> None:
    assert [row[0] for row in ROWS] == [str(number) for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) > 50


def test_every_row_says_what_becomes_of_it_and_names_a_test() -> None:
    assert [row[0] for row in ROWS if len(row) != 5 or not all(row) or not named(row)] == []


def test_every_test_that_a_row_names_exists(collected: set[str]) -> None:
    missing = [f"{row[0]}: {test}" for row in ROWS for test in named(row) if not any(_is(test, case) for case in collected)]

    assert missing == []


def test_every_sentence_shares_its_words_with_the_code() -> None:
    """Not the numbers and names in it, but a run of three words (two of a short one), so that none of them grows stale."""
    code = _code()
    stale = [f"{row[0]}: {row[3]}" for row in ROWS if row[3].startswith("`") and not any(run in code for run in _runs(row[3]))]

    assert stale == []


def _code() -> str:
    """All product code as one text, with literals that go on in the next line joined."""
    paths = (path for folder in ("libs", "services", "cli") for path in (ROOT / folder).rglob("*.py") if ".venv" not in path.parts)
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return " ".join(re.sub(r'"\s*\n\s*f?"', "", text).split())


def _runs(sentence: str) -> list[str]:
    words = sentence.strip("`").replace("…", "").split()
    length = 3 if len(words) > 3 else min(2, len(words))
    return [" ".join(words[start : start + length]).rstrip(".:;") for start in range(len(words) - length + 1)]


def _is(test: str, case: str) -> bool:
    """A file, a test with all its cases, or one case."""
    return case == test or case.startswith((f"{test}::", f"{test}["))
