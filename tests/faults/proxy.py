"""A door in front of a server. Shut, the server looks dead: connections break, new ones are refused. Open, it is back as it was."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HOST, CHUNK, BACKLOG = "127.0.0.1", 65536, 64


class Door:
    """One that is made shut keeps its port, so that nobody else takes it before open()."""

    def __init__(self, port: int, *, is_open: bool = True) -> None:
        self._behind = port
        self._lock = threading.Lock()
        self._wires: list[socket.socket] = []
        self._listener = _bound(0)
        self.port: int = self._listener.getsockname()[1]
        if is_open:
            self.open()

    def open(self) -> None:
        """Call once, for one that was made shut."""
        self._listener.listen(BACKLOG)
        self._accept(self._listener)

    @contextmanager
    def shut(self) -> Iterator[None]:
        self.close()
        try:
            yield
        finally:
            self._listener = _bound(self.port)
            self.open()

    def close(self) -> None:
        with self._lock:
            wires, self._wires = self._wires, []
        for wire in (self._listener, *wires):
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()

    def _accept(self, listener: socket.socket) -> None:
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                outer, _ = listener.accept()
            except OSError:
                return
            inner = socket.create_connection((HOST, self._behind))
            with self._lock:
                self._wires += [outer, inner]
            for source, target in ((outer, inner), (inner, outer)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    return listener


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    for wire in (source, target):
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
