"""Ports that several processes of one predictor listen on, and nobody else does.

With SO_REUSEPORT the kernel divides new connections among all that listen, a second predictor of the same user included. So a port
is tried without it first, and then held by a socket that does not listen: whoever tries likewise later finds it taken, even while
no process of this predictor listens.
"""

import socket
from dataclasses import dataclass

from pushline.runtime.status_server import CannotListen


@dataclass(frozen=True, slots=True)
class HeldPort:
    number: int
    _holding: socket.socket

    def close(self) -> None:
        self._holding.close()


def hold(setting: str, bind: str, port: int) -> HeldPort:
    """Port 0 takes any free one. Raises CannotListen, which names the setting, where anybody has it."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        if port:
            socket.create_server((bind, port), family=family).close()
        return _held(family, bind, port)
    except OSError as error:
        raise CannotListen(setting, bind, port, error) from None


def _held(family: int, bind: str, port: int) -> HeldPort:
    """Raises OSError.

    NOTE: SO_REUSEADDR passes over connections that ended a moment ago; taken back once it is bound, it lets nobody else in.
    """
    holding = socket.socket(family, socket.SOCK_STREAM)
    try:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holding.bind((bind, port))
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        holding.close()
        raise
    return HeldPort(holding.getsockname()[1], holding)
