"""The table of goals that the benchmarks print."""

import math

import pytest

from benchmarks import goals


@pytest.mark.parametrize(
    ("goal", "row"),
    [
        (goals.at_least("rows", 20, 20.04), "| rows | ≥ 20 | 20 | yes |"),
        (goals.at_least("rows", 20, 19.9), "| rows | ≥ 20 | 19.9 | no |"),
        (goals.at_most("start", 0.5, 0.41, "s"), "| start | ≤ 0.5 s | 0.41 s | yes |"),
        (goals.at_most("memory", 35, 135.4, "MiB"), "| memory | ≤ 35 MiB | 135 MiB | no |"),
        (goals.at_most("nothing was measured", 1, math.nan), "| nothing was measured | ≤ 1 | nan | no |"),
    ],
)
def test_a_goal_stands_beside_its_figure(goal: goals.Goal, row: str) -> None:
    assert str(goal) == row


def test_the_goals_of_all_benchmarks_are_gathered_and_no_other_table_is() -> None:
    first = f"### Figures\n\n| server | µs |\n|---|---|\n| echo | 5 |\n\n{goals.table([goals.at_least('a', 1, 2)])}\n| x |\n"
    second = goals.table([goals.at_most("b", 1, 2), goals.at_most("c", 1, 1)])

    told = goals.gathered([first, second])

    assert [line for line in told.splitlines() if line.startswith("| ")][1:] == [
        "| a | ≥ 1 | 2 | yes |",
        "| b | ≤ 1 | 2 | no |",
        "| c | ≤ 1 | 1 | yes |",
    ]
    assert told.endswith("2 of 3 goals met\n")
