"""The least that a durable webhook can be: verify the HMAC, append one record with acks=all, answer 202. For benchmarks.intake.

python -m benchmarks.bare_intake BOOTSTRAP      serves until it is killed, and prints its port
"""

import asyncio
import hashlib
import hmac
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import KafkaError, Message, Producer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pushline.line.kafka_topics import KafkaTopics
from pushline.runtime.http_server import HttpServer
from pushline.servers.real import RealBroker
from pushline.servers.real_parts import prepare
from tests.e2e.running_line import environment, secret_of
from tests.faults.delivering import Delivery, request_of

MODEL, TOPIC = "bare", "commit"


class Bare:
    def __init__(self, bootstrap: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 0}
        self._producer = Producer(settings)

    async def __call__(self, request: Request) -> JSONResponse:
        body = await request.body()
        right = hmac.new(secret_of(MODEL), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"sha256={right}".encode(), request.headers.get("x-hub-signature-256", "").encode()):
            return JSONResponse({}, 401)
        loop = asyncio.get_running_loop()
        report: asyncio.Future[None] = loop.create_future()

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(report.set_exception if error else report.set_result, OSError(str(error)) if error else None)  # type: ignore[arg-type]

        self._producer.produce(TOPIC, body, MODEL.encode(), on_delivery=on_delivery)
        await report
        return JSONResponse({"status": "accepted"}, 202)

    def pump(self) -> None:
        while True:
            self._producer.poll(0.2)


@contextmanager
def bare_intake() -> Iterator[tuple[int, bytes, int]]:
    """Give port, request and process of one that runs, on a broker of its own."""
    parts = prepare(environment(), lambda _: None)
    with TemporaryDirectory(prefix="pushline-bare-") as folder, RealBroker(Path(folder) / "broker", parts.kafka) as broker:
        with KafkaTopics(broker.bootstrap) as topics:
            topics.create()
        command = [sys.executable, "-m", "benchmarks.bare_intake", broker.bootstrap]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield int(process.stdout.readline()), request_of(Delivery(MODEL, "a" * 40, "github"), "bare"), process.pid
            finally:
                process.kill()


def serve(bootstrap: str) -> None:
    bare = Bare(bootstrap)
    app = Starlette(routes=[Route("/webhooks/github", bare.__call__, methods=["POST"])])
    server = HttpServer("127.0.0.1", 0, app, setting="", drain_seconds=1)
    server.start()
    print(server.port, flush=True)
    bare.pump()


if __name__ == "__main__":
    serve(sys.argv[1])
