"""The HTTP port of every process: /metrics for Prometheus, /livez, /readyz. Reads health and registry; decides nothing."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pushline.runtime.health import Health


class CannotListen(Exception):
    """The address or port cannot be listened on."""

    def __init__(self, what: str, bind: str, port: int, error: OSError) -> None:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        super().__init__(f"{what}: cannot listen on {bind} port {port}: {why}")
        self.bind, self.port = bind, port


class StatusServer:
    """start() listens and returns; stop() closes the port. Port 0 takes any free one; `port` tells which."""

    def __init__(self, bind: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        self.port = port
        self._bind = bind
        self._health = health
        self._registry = registry
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises CannotListen."""
        handler = type("StatusHandler", (_Handler,), {"health": self._health, "registry": self._registry})
        try:
            self._server = ThreadingHTTPServer((self._bind, self.port), handler)
        except OSError as error:
            raise CannotListen("PUSHLINE_METRICS_PORT", self._bind, self.port, error) from None
        self.port = self._server.server_address[1]
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.05}, name="status-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None


class _Handler(BaseHTTPRequestHandler):
    health: Health
    registry: CollectorRegistry
    timeout = 10  # seconds for a client to say what it wants
    server_version = "pushline"
    sys_version = ""

    def do_GET(self) -> None:
        answer = {"/metrics": self._metrics, "/livez": self._livez, "/readyz": self._readyz}.get(self.path.partition("?")[0])
        if answer is None:
            self._send(404, "text/plain; charset=utf-8", b"/metrics, /livez and /readyz are here\n")
            return
        answer()

    def _metrics(self) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        self._send(200, content_type, encode(self.registry))

    def _livez(self) -> None:
        self._send(200, "application/json", b'{"live":true}\n')

    def _readyz(self) -> None:
        problems = self.health.problems
        body = json.dumps({"ready": not problems, "problems": problems}, ensure_ascii=False).encode() + b"\n"
        self._send(503 if problems else 200, "application/json", body)

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: probes come every few seconds."""
