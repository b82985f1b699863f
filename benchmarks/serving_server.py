"""The servers that benchmarks/serving.py measures, one a process: the predictor with everything on, or a bare echo.

python -m benchmarks.serving_server predictor|echo   prints its port; ends when its input closes
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from tests.fixtures.predictor.deploying import Line
from tests.fixtures.predictor.running import a_line, running

PROGRAM = Path(__file__).parent.parent / "tests" / "fixtures" / "programs" / "dense.tflite"
MODEL = "numbers"
START_SECONDS = 30


@contextmanager
def predictor() -> Iterator[int]:
    line, log, store = a_line()
    Line.deploy(line, PROGRAM.read_bytes(), MODEL)
    with tempfile.TemporaryDirectory() as cache, running(Path(cache), log, store) as service:
        deadline = time.monotonic() + START_SECONDS
        while not service.models.ready:
            assert time.monotonic() < deadline, "the predictor did not get ready"
            time.sleep(0.02)
        yield service.door.port


@contextmanager
def echo() -> Iterator[int]:
    """A sync grpcio generic handler on raw bytes: what any Python server pays before it does anything."""

    def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
        return request

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


def main() -> None:
    with {"predictor": predictor, "echo": echo}[sys.argv[1]]() as port:
        print(port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
