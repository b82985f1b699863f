"""The broker's times as people read them."""

from datetime import UTC, datetime

from pushline.line.moment import LONG_AGO_MS

LAST_MS = 253_370_764_800_000  # the year 9999; where the broker keeps its writers' times, any number may stand there


def when(timestamp_ms: int) -> str:
    """Local date and time; empty where the broker keeps none."""
    if timestamp_ms < LONG_AGO_MS:
        return ""
    return datetime.fromtimestamp(min(timestamp_ms, LAST_MS) / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def shortly(moment: str) -> str:
    """The time alone where it is of today."""
    day, _, time = moment.partition(" ")
    return time if day == datetime.now(UTC).astimezone().strftime("%Y-%m-%d") else moment


def exactly(timestamp_ms: int) -> str:
    """Give a time for machines, in RFC 3339; empty where the broker keeps none."""
    if timestamp_ms < LONG_AGO_MS:
        return ""
    moment = datetime.fromtimestamp(min(timestamp_ms, LAST_MS) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
