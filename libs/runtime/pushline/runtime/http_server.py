"""An ASGI application's HTTP server: uvicorn in a thread of its own. For services with the extra `http` of this distribution."""

import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.known_heads import KnownHeads
from pushline.runtime.patience import PatientProtocol
from pushline.runtime.status_server import CannotListen

BACKLOG = 256
USUAL = HttpLimits()


class HttpServer:
    """start() listens and returns; stop() lets what was received be answered. Port 0 takes any free one; `port` tells which."""

    def __init__(
        self,
        bind: str,
        port: int,
        app: Callable[..., Any],
        *,
        setting: str,
        drain_seconds: int,
        limits: HttpLimits = USUAL,
        tls: ssl.SSLContext | None = None,
        shared: bool = False,
    ) -> None:
        """`setting` names the port in messages; with `tls` nothing but TLS is spoken. A `shared` port other servers have too."""
        self.port, self._shared = port, shared
        self._bind, self._setting, self._drain_seconds = bind, setting, drain_seconds
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=cast("type[PatientProtocol]", partial(PatientProtocol, limits=limits, heads=KnownHeads())),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.max_connections + BACKLOG,  # where those that end still count
            timeout_graceful_shutdown=drain_seconds,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises CannotListen. Whoever connects from now on is served."""
        try:
            family = socket.AF_INET6 if ":" in self._bind else socket.AF_INET
            listening = socket.create_server((self._bind, self.port), family=family, backlog=BACKLOG, reuse_port=self._shared)
        except OSError as error:
            raise CannotListen(self._setting, self._bind, self.port, error) from None
        # NOTE: asyncio does so for sockets alone that were made with their protocol's number. Without it each answer on a kept
        # connection waits 40 ms for the client's acknowledgement, as headers and body are written apart.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listening.getsockname()[1]
        run = self._server.run
        self._thread = threading.Thread(target=run, kwargs={"sockets": [listening]}, name="http-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(self._drain_seconds + 1)
