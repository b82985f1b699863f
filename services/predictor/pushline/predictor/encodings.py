"""Content codings of HTTP: gzip and deflate, unpacked piece by piece, so that no more is held than what was counted."""

import zlib
from collections.abc import Callable

from pushline.predictor.refused import Refused

CONTENT_ENCODING, ACCEPT_ENCODING = b"content-encoding", b"accept-encoding"
IDENTITY = b"identity"
WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}  # deflate is zlib's form, as the standard and Triton's client have it
PIECE = 64 * 1024
WORTH_IT = 4096  # bytes; a smaller answer is sent as it is
QUICKEST = 1


def coding(named: bytes) -> bytes:
    """Give the coding of a body, empty where it has none. Raises Refused."""
    name = named.strip().lower()
    if name in (b"", IDENTITY):
        return b""
    if name not in WINDOWS:
        known = {"Accept-Encoding": "gzip, deflate"}
        raise Refused(415, f"Content-Encoding: is {name.decode('latin-1')[:80]}; send gzip, deflate, or the body as it is", known)
    return name


def unpack(body: bytes, name: bytes, count: Callable[[int], None]) -> bytes:
    """`count` is told of every piece before the next one is made; what it raises ends this. Raises Refused."""
    unpacking, unpacked, given = zlib.decompressobj(WINDOWS[name]), bytearray(), 0
    text = name.decode()
    try:
        while given < len(body) and not unpacking.eof:
            waiting = body[given : given + PIECE]
            given += len(waiting)
            while waiting and not unpacking.eof:
                piece = unpacking.decompress(waiting, PIECE)
                count(len(piece))
                unpacked += piece
                waiting = unpacking.unconsumed_tail
    except zlib.error as error:
        raise Refused(400, f"Content-Encoding: the body is no {text} ({str(error)[:120]})") from None
    if not unpacking.eof:
        raise Refused(400, f"Content-Encoding: the body is no whole {text}; it ends early")
    if given < len(body) or unpacking.unused_data:
        raise Refused(400, f"Content-Encoding: bytes stand behind the end of the {text}")
    return bytes(unpacked)


def wanted(accepted: bytes) -> bytes:
    """Give the coding for an answer that the client reads, gzip first; empty: none."""
    if not accepted:
        return b""
    weights = dict([_weighed(each) for each in accepted.lower().split(b",")])
    return next((name for name in (b"gzip", b"deflate") if weights.get(name, weights.get(b"*", 0.0)) > 0), b"")


def pack(content: bytes, name: bytes) -> bytes:
    packing = zlib.compressobj(QUICKEST, zlib.DEFLATED, WINDOWS[name])
    return packing.compress(content) + packing.flush()


def _weighed(part: bytes) -> tuple[bytes, float]:
    name, _, parameter = part.partition(b";")
    key, _, weight = parameter.strip().partition(b"=")
    try:
        return name.strip(), float(weight) if key.strip() == b"q" else 1.0
    except ValueError:
        return name.strip(), 0.0
