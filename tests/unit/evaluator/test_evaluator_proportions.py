"""Tango's interval against the likelihood itself, its coverage added up over all outcomes, McNemar, and the formula of power."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

from pushline.evaluator.proportions import Discordance, rows_to_see, visible_drop

Z95 = norm.ppf(0.95)


def likeliest(b: int, c: int, n: int, difference: float) -> float:
    """The share q of rows that the second has right alone, by maximising the likelihood of (q + difference, q, the rest)."""
    least, most = max(0.0, -difference), (1 - difference) / 2

    def unlikely(q: float) -> float:
        shares = (q + difference, q, 1 - 2 * q - difference)
        counts = (b, c, n - b - c)
        return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True) if count)

    return float(minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 60), st.floats(-0.6, 0.6))
def test_the_statistic_is_the_score_at_the_likeliest_shares(b: int, c: int, more: int, difference: float) -> None:
    n = b + c + more
    q = likeliest(b, c, n, difference)
    variance = n * (2 * q + difference - difference**2)
    if variance < 1e-4:
        return

    assert Discordance(b, c, n).statistic(difference) == pytest.approx((b - c - n * difference) / math.sqrt(variance), abs=2e-3)


def test_a_published_example() -> None:
    """36 rows right by both, 12 and 2 by one alone, none by neither: Tango's interval is 0.061 to 0.345."""
    found = Discordance(12, 2, 50)

    assert found.value == 0.2
    assert (found.bound(0.975), found.bound(0.025)) == pytest.approx((0.0611, 0.3447), abs=1e-4)


@pytest.mark.parametrize("rows", [1, 30, 360, 10_000])
def test_without_a_discordant_row_the_bounds_are_wilsons(rows: int) -> None:
    found = Discordance(0, 0, rows)

    assert found.bound(0.95) == pytest.approx(-(Z95**2) / (rows + Z95**2), abs=1e-9)
    assert found.bound(0.05) == pytest.approx(Z95**2 / (rows + Z95**2), abs=1e-9)


@pytest.mark.parametrize(("b", "c", "n"), [(0, 50, 50), (50, 0, 50), (0, 1, 1), (1, 0, 1), (25, 25, 50)])
def test_the_bounds_stay_within_what_a_difference_can_be(b: int, c: int, n: int) -> None:
    low, high = Discordance(b, c, n).bound(0.95), Discordance(b, c, n).bound(0.05)

    assert -1 <= low <= (b - c) / n <= high <= 1


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200), st.floats(0.6, 0.99))
def test_turning_the_models_around_turns_the_bounds_around(b: int, c: int, more: int, confidence: float) -> None:
    n = b + c + more + 1

    assert Discordance(b, c, n).bound(confidence) == pytest.approx(-Discordance(c, b, n).bound(1 - confidence), abs=1e-6)
    assert Discordance(b, c, n).bound(confidence) <= Discordance(b, c, n).value + 1e-12


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (3, 9), (20, 5)])
def test_mcnemar_is_the_exact_test_of_a_fair_coin(b: int, c: int) -> None:
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0

    assert Discordance(b, c, 100).p_value() == pytest.approx(expected)


@cache
def lower_bound(b: int, c: int, n: int) -> float:
    return Discordance(b, c, n).bound(0.95)


@pytest.mark.parametrize("rows", [40, 100, 300])
@pytest.mark.parametrize(("discordant", "difference"), [(0.02, 0.0), (0.05, -0.02), (0.05, 0.0), (0.2, -0.1), (0.2, 0.05)])
def test_the_one_sided_bound_holds_the_true_difference_as_often_as_it_says(rows: int, discordant: float, difference: float) -> None:
    """Added up over every outcome: no luck in it. Tango's test is not exact, and misses by little."""
    share = (discordant + difference) / 2 / discordant
    missed = 0.0
    for count in range(int(binom.ppf(1e-9, rows, discordant)), int(binom.ppf(1 - 1e-9, rows, discordant)) + 1):
        right = binom.pmf(np.arange(count + 1), count, share)
        above = [lower_bound(b, count - b, rows) > difference for b in range(count + 1)]
        missed += float(binom.pmf(count, rows, discordant) * right[above].sum())

    assert missed <= 0.065


@pytest.mark.parametrize("discordant", [0.0, 0.01, 0.1, 0.3])
@pytest.mark.parametrize("rows", [100, 360, 5_000])
def test_rows_and_visible_drop_say_the_same(rows: int, discordant: float) -> None:
    drop = visible_drop(rows, discordant, 0.95, 0.95)

    assert 0 < drop < 1
    assert rows_to_see(drop, discordant, 0.95, 0.95) == pytest.approx(rows, rel=1e-3)


@pytest.mark.parametrize(("drop", "discordant"), [(0.02, 0.1), (0.02, 0.03), (0.05, 0.1)])
def test_equals_pass_as_often_as_the_power_says(drop: float, discordant: float) -> None:
    """Added up over the discordant rows; half of them are right by the candidate alone."""
    rows = math.ceil(rows_to_see(drop, discordant, 0.95, 0.95))
    passed = 0.0
    for count in range(int(binom.ppf(1e-9, rows, discordant)), int(binom.ppf(1 - 1e-9, rows, discordant)) + 1):
        well = [Discordance(b, count - b, rows).statistic(-drop) > Z95 for b in range(count + 1)]
        passed += float(binom.pmf(count, rows, discordant) * binom.pmf(np.arange(count + 1), count, 0.5)[well].sum())

    assert 0.95 <= passed <= 0.965


def test_a_set_of_one_row_sees_nothing() -> None:
    assert visible_drop(1, 0.9, 0.95, 0.95) == 1.0
