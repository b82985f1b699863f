"""Heads of HTTP requests that came before, byte for byte: what was found out about one is not found out again.

A client says the same of each request but for the body's size, and that is one of a few hundred where the bodies are alike.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MOST = 512  # heads that are kept
MOST_BYTES = 1024  # of a head; a longer one is parsed each time
END = b"\r\n\r\n"
SPECIAL = frozenset((b"transfer-encoding", b"expect", b"upgrade"))  # more than a head and a body of the size it says

Ask = Callable[[bytes], tuple[bytes, bytes] | None]
AtOnce = Callable[[Mapping[str, Any]], Ask | None]
Header = tuple[bytes, bytes]


class KnownHeads:
    """Of one server. Used by its event loop alone."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Ask, int]] = {}
        self._defaults: Sequence[Header] = ()
        self._lines = b""

    def find(self, data: bytes) -> tuple[Ask, int] | None:
        """Give who answers and where the body begins, where this is one whole request, no more, whose head is known."""
        end = data.find(END, 0, MOST_BYTES) + len(END)
        known = self._known.get(data[:end])
        return (known[0], end) if known is not None and len(data) == end + known[1] else None

    def note(self, data: bytes, headers: Sequence[Header], ask: Ask) -> None:
        """Keep the head of this request, which was answered at once, its connection kept, if it came whole and is plain."""
        end = data.find(END, 0, MOST_BYTES) + len(END)
        names = [name for name, _ in headers]
        sizes = [value for name, value in headers if name == b"content-length"]
        if end < len(END) or len(sizes) != 1 or len(data) != end + int(sizes[0]) or not SPECIAL.isdisjoint(names):
            return
        if len(self._known) >= MOST:
            self._known = {}
        self._known[data[:end]] = ask, int(sizes[0])

    def lines(self, defaults: Sequence[Header]) -> bytes:
        """Give the headers that the server sends with each answer, of which one is the date: it makes another list each second."""
        if defaults is not self._defaults:
            self._defaults, self._lines = defaults, b"".join([b"%s: %s\r\n" % each for each in defaults])
        return self._lines
