from pushline.cli.demo_figures import Figures, Shot, figures, shortcomings

FIRST, SECOND = "1" * 40, "2" * 40


def shots(count: int, start: float, commit: str, step: float = 0.01) -> list[Shot]:
    return [Shot(start + step * number, start + step * number + 0.002, f"d{commit[:3]}", commit, "") for number in range(count)]


def test_a_clean_swap_has_no_shortcoming() -> None:
    told = figures([*shots(300, 0.0, FIRST), *shots(300, 3.0, SECOND)], FIRST, SECOND)

    assert (told.sent, told.failed, told.before, told.after) == (600, 0, 300, 300)
    assert told.per_digest == {"d111": 300, "d222": 300}
    assert shortcomings(told, SECOND, SECOND) == []


def test_the_gap_at_the_swap_is_the_longest_time_without_an_answer_near_it() -> None:
    told = figures([*shots(300, 0.0, FIRST), *shots(300, 3.5, SECOND)], FIRST, SECOND)

    assert told.longest_gap_ms == 510.0
    assert told.first_answer_of_second == 3.502


def test_a_gap_far_from_the_swap_is_not_the_swap_s() -> None:
    told = figures([*shots(300, 0.0, FIRST), *shots(300, 10.0, FIRST), *shots(300, 13.0, SECOND)], FIRST, SECOND)

    assert told.longest_gap_ms == 10.0


def test_one_failed_prediction_is_a_shortcoming() -> None:
    told = figures([*shots(300, 0.0, FIRST), Shot(3.0, 3.1, "", "", "UNAVAILABLE: gone"), *shots(300, 3.0, SECOND)], FIRST, SECOND)

    assert shortcomings(told, SECOND, SECOND) == ["1 of 601 predictions failed"]


def test_too_few_too_slow_and_the_wrong_model_live_are_each_told() -> None:
    told = figures(shots(100, 0.0, FIRST, step=0.1), FIRST, SECOND)

    assert len(shortcomings(told, FIRST, SECOND)) == 5


def test_no_prediction_at_all_is_no_success() -> None:
    told = figures([], FIRST, SECOND)

    assert told == Figures(0, 0, 0, 0, {}, 0.0, 0.0, 0.0, None)
    assert shortcomings(told, "", SECOND)
