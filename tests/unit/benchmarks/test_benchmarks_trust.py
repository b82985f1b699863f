"""The trial of the verdict's statistics in a small size: its goals are met, and its tables are printed."""

import numpy as np
import pytest

from benchmarks import trust
from benchmarks.simulated import Classifiers, Regressions
from pushline.evaluator.paired import side


def test_decisions_keep_their_promises_on_a_few_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    goals = list(trust.decisions(60))

    assert [str(goal) for goal in goals if not goal.met] == []
    printed = capsys.readouterr().out
    assert "Said beforehand: 1183 rows let equals pass in 95% of the cases." in printed
    assert "| exactly at the margin |" in printed


@pytest.mark.parametrize("models", [Classifiers(0.03, 0.05), Regressions(1.03)], ids=lambda models: models.name)
def test_the_bounds_of_differences_hold_the_true_ones_on_a_few_pairs(models: Classifiers | Regressions) -> None:
    """The true differences are those of one large set; 12 pairs show no more than that the parts fit."""
    candidate, champion = (side(rows).summed.sums.point() for rows in models.draw(np.random.default_rng(1), 40_000))
    true = {name: candidate[name] - champion[name] for name in trust.NAMES[models.name]}

    found = trust.differences(models, 200, 12, true)

    assert set(found) == set(trust.NAMES[models.name])
    assert all(low.found + high.found <= 7 for low, high in found.values())


def test_a_share_is_told_with_its_interval() -> None:
    assert str(trust.Share(50, 1_000)) == "0.0500 (0.0373 to 0.0654)"
