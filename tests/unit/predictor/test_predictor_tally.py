"""Calls counted and timed: what is collected is what was noted, in the library's own form."""

import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pushline.predictor.errors import RequestError
from pushline.predictor.pace import MOST_FORMS, Pace
from pushline.predictor.predictions import Predictions, Question
from pushline.predictor.tally import Batches, Shown, Tally

BOUNDS = (0.001, 0.01, 0.1)


def a_tally() -> tuple[Tally, CollectorRegistry]:
    registry = CollectorRegistry()
    calls, of_models = (Shown((name, "Calls."), (f"{name}_seconds", "Time.")) for name in ("call", "model_call"))
    return Tally(calls, of_models, BOUNDS).register(registry), registry


def test_calls_are_counted_by_method_and_code_and_timed_by_method() -> None:
    tally, registry = a_tally()
    for code, seconds in (("OK", 0.001), ("OK", 0.002), ("NOT_FOUND", 5.0)):
        tally.note("Infer", code, seconds)

    value = registry.get_sample_value
    assert value("call_total", {"method": "Infer", "code": "OK"}) == 2
    assert value("call_total", {"method": "Infer", "code": "NOT_FOUND"}) == 1
    buckets = [value("call_seconds_bucket", {"method": "Infer", "le": le}) for le in ("0.001", "0.01", "0.1", "+Inf")]
    assert buckets == [1, 2, 2, 3]
    assert value("call_seconds_count", {"method": "Infer"}) == 3
    assert value("call_seconds_sum", {"method": "Infer"}) == 5.003
    assert b"# TYPE call_seconds histogram" in generate_latest(registry)


def test_no_call_is_lost_between_threads() -> None:
    tally, registry = a_tally()

    def note() -> None:
        for _ in range(2000):
            tally.note("Infer", "OK", 0.5)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert registry.get_sample_value("call_total", {"method": "Infer", "code": "OK"}) == 8000


def test_a_pace_follows_slowly_what_becomes_slow_and_forgets_no_form_for_one_hiccup() -> None:
    pace = Pace()
    pace.note("form", 2, 0.002)
    pace.note("form", 1, 1.0)
    after_hiccup = pace.seconds_a_row("form")
    for _ in range(60):
        pace.note("form", 1, 1.0)

    assert after_hiccup is not None
    assert 0.001 < after_hiccup < 0.002
    assert (pace.seconds_a_row("form") or 0) > 0.9
    assert pace.seconds_a_row("other") is None


def test_what_a_pace_keeps_is_bounded() -> None:
    pace = Pace()
    for form in range(10 * MOST_FORMS):
        pace.note(form, 1, 0.1)

    assert len(pace._seconds) <= MOST_FORMS


def test_predictions_are_counted_and_timed_by_model_too_whatever_their_method() -> None:
    tally, registry = a_tally()
    for method, code, model in (
        ("Infer", "OK", "a"),
        ("rest", "200", "a"),
        ("Infer", "UNAVAILABLE", "b"),
        ("Infer", "NOT_FOUND", ""),
    ):
        tally.note(method, code, 0.05, model)

    value = registry.get_sample_value
    assert value("model_call_total", {"model": "a", "code": "200"}) == 1
    assert value("model_call_total", {"model": "b", "code": "UNAVAILABLE"}) == 1
    assert value("model_call_total", {"model": "", "code": "NOT_FOUND"}) is None
    assert value("model_call_seconds_count", {"model": "a"}) == 2
    assert value("call_total", {"method": "Infer", "code": "NOT_FOUND"}) == 1


def test_rows_that_a_model_was_asked_at_once_are_counted_by_size() -> None:
    registry = CollectorRegistry()
    batches = Batches(("rows", "Rows."), (1, 8)).register(registry)
    for rows in (1, 3, 64):
        batches.note("a", rows)

    sizes = [registry.get_sample_value("rows_bucket", {"model": "a", "le": le}) for le in ("1", "8", "+Inf")]
    assert sizes == [1, 2, 3]
    assert registry.get_sample_value("rows_sum", {"model": "a"}) == 68


@pytest.mark.parametrize(("asked", "version", "counted"), [("numbers", "9", "numbers"), ("made-up", "", ""), ("", "", "")])
def test_an_error_names_the_model_that_was_found_and_no_name_that_was_made_up(
    predictions: Predictions, asked: str, version: str, counted: str
) -> None:
    with pytest.raises(RequestError) as raised:
        predictions.prepare(Question(asked, version, (), ()))

    assert raised.value.of_model == counted
