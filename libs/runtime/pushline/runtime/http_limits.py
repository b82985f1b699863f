"""What an HTTP server lets its clients take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    max_connections: int = 512  # a further one takes the place of one that waits for its client
    header_seconds: float = 10.0  # for the first request, and for a request's headers
    idle_seconds: float = 5.0  # between two requests
    header_bytes: int = 16 * 1024
