"""What refuses a model, case by case, by the real Assessor: docs/FAIL_CLOSED.md is this table."""

from pathlib import Path

import pytest

from tests.fixtures.evaluator.fail_closed import DOCUMENT, Case, Workshop
from tests.fixtures.evaluator.fail_closed_cases import CASES, document


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_missing_or_wrong_never_passes(case: Case, tmp_path: Path) -> None:
    verdict = case.judge(Workshop(tmp_path))

    assert (verdict.verdict, verdict.reason) == (case.verdict, case.reason), verdict.sentence
    assert case.says(verdict.sentence), verdict.sentence
    assert verdict.verdict != "accepted"


def test_the_document_shows_every_case() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run .venv/bin/python -m tests.fixtures.evaluator.fail_closed_cases"
    assert len(CASES) >= 25
    assert len({case.name for case in CASES}) == len(CASES)
