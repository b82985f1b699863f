"""The broker's times as people read them."""

from datetime import UTC, datetime

LAST_MS = 253_370_764_800_000  # the year 9999; where the broker keeps its writers' times, any number may stand there
LONG_AGO_MS = 1_500_000_000_000  # the embedded broker has a constant instead of a time


def when(timestamp_ms: int) -> str:
    """Local date and time; empty where the broker keeps none."""
    if timestamp_ms < LONG_AGO_MS:
        return ""
    return datetime.fromtimestamp(min(timestamp_ms, LAST_MS) / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def shortly(moment: str) -> str:
    """The time alone where it is of today."""
    day, _, time = moment.partition(" ")
    return time if day == datetime.now(UTC).astimezone().strftime("%Y-%m-%d") else moment
