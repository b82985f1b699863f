"""The grammar of slices: what may stand in pushline.toml, and what is refused with the slice's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.objects.slices import Both, Column, Compared, Condition, Either, Not, SliceSpec, parse_slice, parse_slices

AGE, REGION = Column("age"), Column("region")


@pytest.mark.parametrize(
    ("text", "name", "by"),
    [
        ("label", "label", Column("label")),
        (" region ", "region", REGION),
        ("x[3]", "x[3]", Column("x", 3)),
        ("x.left[0]", "x.left[0]", Column("x.left", 0)),
        ("young: age < 30", "young", Compared(AGE, "<", 30.0)),
        ("young:age<=-3.5e-2", "young", Compared(AGE, "<=", -0.035)),
        ("north: region == 'north'", "north", Compared(REGION, "==", "north")),
        ('odd: region != "a: b"', "odd", Compared(REGION, "!=", "a: b")),
        ("wide: x[10] >= .5", "wide", Compared(Column("x", 10), ">=", 0.5)),
        ("cats: label == 'cat'", "cats", Compared(Column("label"), "==", "cat")),
        ("old: not age < 30", "old", Not(Compared(AGE, "<", 30.0))),
        (
            "young: age < 30 and region == 2",
            "young",
            Both((Compared(AGE, "<", 30.0), Compared(REGION, "==", 2.0))),
        ),
        (
            "some: age < 3 or age > 9 and not (region == 1 or region == 2)",
            "some",
            Either(
                (
                    Compared(AGE, "<", 3.0),
                    Both(
                        (
                            Compared(AGE, ">", 9.0),
                            Not(Either((Compared(REGION, "==", 1.0), Compared(REGION, "==", 2.0)))),
                        )
                    ),
                )
            ),
        ),
    ],
)
def test_a_slice_is_read(text: str, name: str, by: Column | Condition) -> None:
    assert parse_slice(text) == SliceSpec(name, by)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither label, nor a column"),
        ("two words", "neither label, nor a column"),
        ("x[-1]", "neither label, nor a column"),
        ("x[1.5]", "neither label, nor a column"),
        ("__import__('os')", "neither label, nor a column"),
        ("and", "neither label, nor a column"),
        ("age < 30", "neither label, nor a column"),
        ("label: age < 30", "label is no name for a predicate"),
        ("young:", "a column is missing at its end"),
        ("young: age", "one of <= >= == != < > is missing at its end"),
        ("young: age <", "a number or a quoted text is missing at its end"),
        ("young: age < region", "a number or a quoted text is expected before region"),
        ("young: age = 30", "= 30 is not understood"),
        ("young: 30 < age", "a column is expected before 30"),
        ("young: (age < 30", "a parenthesis is not closed"),
        ("young: age < 30)", ") is not expected there"),
        ("young: age < 30 region == 2", "region is not expected there"),
        ("young: age < 30 and", "a column is missing at its end"),
        ("young: and < 30", "neither label, nor a column"),
        ("young: age < 'a'", "texts are compared by == and !=, not by <"),
        ("young: age < 30; import os", "; import o is not understood"),
        ("young: f(age) < 3", "one of <= >= == != < > is expected before ("),
        ("young: age == 'open", "'open is not understood"),
        (f"young: {'(' * 30}age < 3{')' * 30}", "more than 20 parentheses"),
        (f"young: {'not ' * 30}age < 3", "more than 20 parentheses or negations"),
        ("a" * 501, "has more than 500 characters"),
    ],
)
def test_what_is_no_slice_is_refused_with_its_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"slice|characters") as raised:
        parse_slice(text)

    assert words in str(raised.value)


def test_a_slice_named_twice_or_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match='names the slice "young" twice'):
        parse_slices(["young: age < 3", "label", "young: age < 4"])
    with pytest.raises(ValueError, match="names 33 slices; at most 32 are taken"):
        parse_slices([f"x[{at}]" for at in range(33)])


@given(st.text(alphabet="ab()<>=! \t'\".0123[]:andornot-", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        spec = parse_slice(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either end is right
    else:
        assert spec.name
