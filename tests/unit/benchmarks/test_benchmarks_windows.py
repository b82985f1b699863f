"""Windows of a run: what is found where something was put, and nothing where nothing was."""

import numpy as np
import pytest

from benchmarks.reloading import windows
from benchmarks.reloading.windows import Array, Run

RATE, SECONDS, WINDOW = 1000, 20, 0.2
SWAPS = [1.0 + number for number in range(10)]
CONTROLS = windows.controls(12.0, len(SWAPS), WINDOW)


def a_run(latency: Array, **more: Array) -> Run:
    due = np.arange(RATE * SECONDS) / RATE
    count = len(due)
    answered = due + latency
    usual: dict[str, Array] = {
        "sent": due,
        "answered": answered,
        "status": np.zeros(count, np.uint8),
        "payload": np.zeros(count, np.uint16),
        "order": np.argsort(answered, kind="stable"),
    }
    return Run(due=due, **(usual | more), connections=2)


def some_latency() -> Array:
    return np.random.default_rng(3).lognormal(np.log(1e-3), 0.3, RATE * SECONDS)


def test_swaps_that_cost_nothing_have_a_ratio_of_one() -> None:
    found = windows.compared(a_run(some_latency()), SWAPS, CONTROLS, WINDOW)

    assert (found.pairs, found.calls) == (10, 10 * int(RATE * WINDOW))
    assert found.lower < 1.0 < found.upper
    assert found.after_gap == pytest.approx(found.control_gap, abs=0.002)


def test_a_pause_of_ten_milliseconds_after_each_swap_is_found() -> None:
    latency = some_latency()
    for swap in SWAPS:
        first = int(swap * RATE)
        latency[first : first + 10] += np.arange(10, 0, -1) / RATE  # all are answered at the end of the pause

    found = windows.compared(a_run(latency), SWAPS, CONTROLS, WINDOW)

    assert found.lower > 2.0
    assert found.after_gap > found.control_gap + 0.005


def test_an_answer_that_never_comes_is_slower_than_any_other() -> None:
    latency = some_latency()
    latency[[int(swap * RATE) + each for swap in SWAPS for each in range(5)]] = np.nan

    assert windows.compared(a_run(latency), SWAPS, CONTROLS, WINDOW).after_p99 > 10.0


def test_controls_do_not_overlap_and_lie_in_the_quiet_time() -> None:
    begins = sorted(windows.controls(5.0, 25, WINDOW))

    assert np.diff(begins) == pytest.approx(WINDOW)
    assert begins[0] == 5.0
    assert begins[-1] + WINDOW == pytest.approx(10.0)


def test_an_older_version_counts_on_its_own_connection_alone() -> None:
    """Calls go to two connections in turn."""
    latency, payload = np.full(RATE * SECONDS, 1e-3), np.zeros(RATE * SECONDS, np.uint16)
    payload[100:] = 1
    payload[[201, 203, 204]] = 0
    run = a_run(latency, payload=payload)
    version = np.array([7, 8])

    assert windows.went_back(run, version) == 3
    assert windows.went_back(a_run(latency, payload=np.arange(len(payload)) % 2), version) == 0
