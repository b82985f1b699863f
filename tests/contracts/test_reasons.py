"""Every reason that a service can write means something to `pushline why`, and every one that it knows is written somewhere."""

import pytest

from pushline.line.why import REASONS
from tests.contracts import reasons


def test_every_reason_in_the_code_means_a_cause() -> None:
    unknown = {reason: place for reason, place in reasons.written().items() if reason not in REASONS}

    assert unknown == {}, "name its cause in libs/line/pushline/line/why/causes.py"


def test_no_reason_is_known_that_nobody_writes() -> None:
    assert set(REASONS) - set(reasons.written()) == set()


def test_every_way_to_say_a_reason_is_known() -> None:
    assert reasons.unknown_ways() == [], "name the values it takes in tests/contracts/reasons.py"


@pytest.mark.parametrize("reason", ["crashed", "below_gate", "newer_commit", "older_than_live", "not_servable", "tests_failed"])
def test_the_collector_finds_what_is_there(reason: str) -> None:
    assert reason in reasons.written()
