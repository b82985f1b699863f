"""Small pictures as PNG, of bytes alone: grey with one channel, colours with three (ISO/IEC 15948)."""

import struct
import zlib

_COLOUR_TYPES = {1: 0, 3: 2}
_EIGHT_BITS = 8


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """`pixels` are height rows of width pixels of `channels` bytes. Raises ValueError where they are not."""
    across = width * channels
    if channels not in _COLOUR_TYPES or not width or not height or len(pixels) != across * height:
        raise ValueError(f"{len(pixels)} bytes are no picture of {width} by {height} pixels with {channels} channels")
    head = struct.pack(">IIBBBBB", width, height, _EIGHT_BITS, _COLOUR_TYPES[channels], 0, 0, 0)
    unfiltered = b"".join(b"\0" + pixels[at : at + across] for at in range(0, len(pixels), across))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data) for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(unfiltered, 9)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
