"""Messages that are a thousand times as long unpacked."""

import zlib
from functools import cache
from http.client import HTTPConnection, HTTPException

from benchmarks.hostile.requests import JSON
from tests.fixtures.predictor.http2 import HOST, Closed, Connection, Event

UNPACKED_BYTES, CHUNK_BYTES = 256 << 20, 1 << 20
GZIP = 31
ANSWER_SECONDS = 10.0


@cache
def zeros() -> bytes:
    packing = zlib.compressobj(9, wbits=GZIP)
    chunk = b"\0" * CHUNK_BYTES
    return b"".join([packing.compress(chunk) for _ in range(UNPACKED_BYTES // CHUNK_BYTES)]) + packing.flush()


def send(wire: Connection, headers: bytes, message: bytes) -> list[Event]:
    """Send one call over its own connection, as far as the server takes it; give what it said."""
    try:
        return wire.call_in_parts(headers, message, ANSWER_SECONDS)
    except Closed:
        return []
    finally:
        wire.close()


def post(port: int, path: str) -> int:
    """Give the status; 0 where the connection ended without one."""
    connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, zeros(), {**JSON, "Content-Encoding": "gzip"})
        return connection.getresponse().status
    except (HTTPException, OSError):
        return 0
    finally:
        connection.close()
