"""What the processes of a predictor say to each other over a socket pair: JSON objects, each behind its size."""

import json
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

HEAD = struct.Struct(">I")
MOST_BYTES = 8 << 20
SEND_SECONDS = 1  # the other end takes what is sent within them, or hangs
Frame = Mapping[str, Any]


class FramesBroken(Exception):
    """The other end is gone, does not read, or says what is no frame."""


class Frames:
    """One end. Any thread may send; one receives."""

    def __init__(self, end: socket.socket) -> None:
        self._end, self._sending = end, threading.Lock()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))

    def send(self, do: str, **more: object) -> None:
        """Raises FramesBroken."""
        data = json.dumps({"do": do, **more}).encode()
        with self._sending:
            try:
                self._end.sendall(HEAD.pack(len(data)) + data)
            except OSError as error:
                raise FramesBroken(f"nothing can be sent: {error.strerror or error}") from None

    def receive(self) -> Frame | None:
        """Wait for one; None where the other end was closed between two. Raises FramesBroken."""
        head = self._read(HEAD.size, may_end=True)
        if not head:
            return None
        (size,) = HEAD.unpack(head)
        if size > MOST_BYTES:
            raise FramesBroken(f"a frame of {size} bytes is too large")
        try:
            frame = json.loads(self._read(size))
        except ValueError:
            raise FramesBroken("what came is no JSON") from None
        if not isinstance(frame, dict) or not isinstance(frame.get("do"), str):
            raise FramesBroken("what came is no frame")
        return frame

    def close(self) -> None:
        """Wakes who receives."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _read(self, size: int, *, may_end: bool = False) -> bytes:
        whole = bytearray()
        while len(whole) < size:
            try:
                part = self._end.recv(min(size - len(whole), 1 << 16))
            except OSError as error:
                raise FramesBroken(f"nothing can be received: {error.strerror or error}") from None
            if not part:
                if may_end and not whole:
                    return b""
                raise FramesBroken("the other end was closed in the middle of a frame")
            whole += part
        return bytes(whole)
