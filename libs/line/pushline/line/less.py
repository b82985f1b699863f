"""What a stage says where its record is too large: less of the same, and in the end an outcome that says so.

The fields of our events are bounded, so this is a broker that takes less than the line needs (`max.message.bytes`), or a defect
that left one unbounded. Either way a run ends, with `event_too_large` where no record of what it came to can be had.
"""

from collections.abc import Callable

from pushline.line.broker import MessageTooLarge
from pushline.line.events import Event
from pushline.line.writer import Published, Writer

Less = Callable[[Event], Event | None]
SHORT = 120  # characters that every sentence may have


def nothing_less(_event: Event) -> None:
    """For what cannot be said with less."""


def publish(writer: Writer, event: Event, less: Less) -> tuple[Event, Published]:
    """Give what was said, and what became of it. Raises what the writer raises; MessageTooLarge where there is no less to say."""
    while True:
        try:
            return event, writer.publish(event)
        except MessageTooLarge:
            smaller = less(event)
            if smaller is None:
                raise
            event = smaller
