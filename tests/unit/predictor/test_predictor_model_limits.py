"""Limits of single models: read whole or refused with a sentence that names the model; what is left out is as for all."""

import pytest

from pushline.predictor.model_limits import ModelLimits, check_served, parse
from pushline.runtime.settings import SettingsError


def test_each_model_has_its_own() -> None:
    assert parse("iris: in_flight=16 threads=1; photo : batch=8 rows=100;\nwords: threads=4") == {
        "iris": ModelLimits(in_flight=16, threads=1),
        "photo": ModelLimits(batch=8, rows=100),
        "words": ModelLimits(threads=4),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("iris", '"iris" does not begin with the name of a model and a colon'),
        ("Iris: rows=1", '"Iris: rows=1" does not begin with the name of a model'),
        (": rows=1", "does not begin with the name of a model"),
        ("iris:", "model iris is given no limit"),
        ("iris: rows=1; iris: batch=2", "model iris stands there twice"),
        ("iris: rows=1 rows=2", "model iris: rows stands there twice"),
        ("iris: row=1", 'model iris: "row=1" is none of in_flight=N, threads=N, batch=N, rows=N'),
        ("iris: rows", 'model iris: "rows" is none of'),
        ("iris: rows=0", 'model iris: rows: "0" is no whole number above 0'),
        ("iris: rows=many", 'model iris: rows: "many" is no whole number above 0'),
    ],
)
def test_what_is_wrong_is_a_sentence_that_names_it(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        parse(text)


def test_a_limit_of_a_model_that_is_not_served_here_is_refused() -> None:
    limits = parse("iris: rows=1; words: rows=2")

    check_served(limits, ())  # every model of the line
    check_served(limits, {"iris", "words", "photo"})
    with pytest.raises(SettingsError, match="model words is not among those of PUSHLINE_MODELS"):
        check_served(limits, {"iris"})
