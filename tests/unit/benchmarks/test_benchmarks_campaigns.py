"""The runner of campaigns: it finds them, and takes none for good that failed, hung or said nothing."""

import sys

import pytest

from benchmarks.campaigns.runner import AT_ONCE, Told, became, bound_minutes, campaigns, run_command, table

LINE = "campaign=kills trials=7 lost=0 double=0 bound95=0.43 seed=7"
ALL_MINUTES = 170.0  # three hours, less what it takes to install


def test_campaigns_are_found_and_all_of_them_fit_into_three_hours() -> None:
    found = campaigns()

    assert "kills" in found
    assert "runner" not in found
    ends = [0.0] * AT_ONCE
    for minutes in sorted(found.values(), reverse=True):  # the longest first, each where there is room first
        ends[ends.index(min(ends))] += minutes
    assert max(ends) <= ALL_MINUTES


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (f"print('{LINE}')", "passed"),
        (f"print('{LINE}'); raise SystemExit(1)", "failed with exit code 1"),
        ("print('nothing that counts')", "printed no line"),
    ],
)
def test_a_campaign_passes_only_with_its_line_and_a_good_end(program: str, told: str) -> None:
    found = run_command([sys.executable, "-c", program], "one", 1.0)

    assert found.became == told
    assert found.well == (told == "passed")


def test_a_campaign_that_hangs_is_ended() -> None:
    program = f"print('{LINE}', flush=True); import time; time.sleep(60)"  # far longer than it may take

    found = run_command([sys.executable, "-c", program], "hangs", 0.02)

    assert found.became == "did not end within 0.02 min"
    assert found.lines == [LINE]


def test_late_counts_before_any_exit_code() -> None:
    assert became(-9, [LINE], late_after=2.0) == "did not end within 2 min"


def test_a_full_campaign_may_take_longer_than_estimated_and_a_small_one_as_long_as_any() -> None:
    assert bound_minutes(30.0, small=False) > 30.0
    assert bound_minutes(30.0, small=True) == bound_minutes(1.0, small=True)


def test_the_table_has_a_row_for_each_line_and_one_for_a_campaign_without() -> None:
    told = table([Told("kills", "passed", 1.5, [LINE]), Told("mute", "printed no line", 0.1, [])])

    assert "| kills | 7 | 0 | 0.43 | double=0 | 7 | 1.5 | passed |" in told
    assert "| mute | - | - | - |  | - | 0.1 | printed no line |" in told
