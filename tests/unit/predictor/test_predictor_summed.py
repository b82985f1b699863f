"""Metrics of several processes, added up: as if one had counted all."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Info, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics

from pushline.predictor.everybody import Everybody
from pushline.predictor.metrics import ADDED_UP, Metrics
from pushline.predictor.summed import CREATED, Numbers, added, from_plain, lasting, numbers, plain

CALLS = st.tuples(st.sampled_from(["ModelInfer", "Predict", "rest"]), st.sampled_from(["OK", "NOT_FOUND"]), st.floats(0, 10))
PROCESSES = 3


def counting(calls: list[tuple[str, str, float]]) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for method, code, seconds in calls:
        metrics.calls.note(method, code, seconds)
        metrics.note_not_finite(method, "input")
    metrics.in_flight.set(len(calls))
    return registry


def told_by(registry: CollectorRegistry) -> Numbers:
    """What another process says, over the wire."""
    return from_plain(json.loads(json.dumps(plain(numbers(registry.collect(), ADDED_UP)))))


def merged(first: CollectorRegistry, others: dict[int, Numbers]) -> CollectorRegistry:
    registry = CollectorRegistry()
    Everybody(first, lambda: others).register(registry)
    return registry


def lines(text: bytes) -> list[tuple[str, float]]:
    found = [line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#")]
    return sorted((name, round(float(value), 6)) for name, _, value in found if CREATED not in name and "process" not in name)


@settings(deadline=None)  # how long it takes is no matter
@given(st.lists(st.tuples(st.integers(0, PROCESSES - 1), CALLS)))
def test_the_sum_is_what_one_process_would_have_counted(calls: list[tuple[int, tuple[str, str, float]]]) -> None:
    shares = [[call for where, call in calls if where == number] for number in range(PROCESSES)]
    first, *others = [counting(share) for share in shares]

    whole = merged(first, {number: told_by(registry) for number, registry in enumerate(others, 1)})

    assert lines(generate_latest(whole)) == lines(generate_latest(counting([call for _, call in calls])))
    assert open_metrics(whole)  # type: ignore[no-untyped-call]  # which demands that the samples of one histogram stand together
    by_process = [value for name, value in lines_of_processes(whole)]
    assert by_process == [len(share) for share in shares]


def lines_of_processes(registry: CollectorRegistry) -> list[tuple[str, float]]:
    found = [line.rpartition(" ") for line in generate_latest(registry).decode().splitlines()]
    return sorted((name, float(value)) for name, _, value in found if name.startswith("pushline_predictor_process_requests_total"))


def test_what_is_no_count_is_the_first_process_own() -> None:
    first, other = counting([]), counting([("Predict", "OK", 0.1)])
    for registry, value in ((first, 1), (other, 5)):
        Gauge("level", "A level.", registry=registry).set(value)
        Info("build", "A build.", registry=registry).info({"of": str(value)})

    text = generate_latest(merged(first, {1: told_by(other)})).decode()

    assert "\nlevel 1.0\n" in text
    assert '\nbuild_info{of="1"} 1.0\n' in text
    assert "\npushline_predictor_requests_in_flight 1.0\n" in text


def test_what_a_process_counted_stays_when_it_is_gone_and_what_it_held_does_not() -> None:
    gone = told_by(counting([("Predict", "OK", 0.1)]))

    text = generate_latest(merged(counting([]), {1: lasting(gone, ADDED_UP)})).decode()

    assert '\npushline_predictor_requests_total{code="OK",method="Predict"} 1.0\n' in text
    assert "\npushline_predictor_requests_in_flight 0.0\n" in text


def test_a_counter_began_when_the_first_one_did() -> None:
    early: Numbers = {("a_created", ()): 5.0, ("a_total", ()): 1.0}
    late: Numbers = {("a_created", ()): 7.0, ("a_total", ()): 2.0}

    assert added([late, early]) == {("a_created", ()): 5.0, ("a_total", ()): 3.0}
