"""The servers that benchmarks/serving.py measures, one a process. Each prints its port and ends when its input closes.

python -m benchmarks.serving_server SUBJECT PROGRAM     predictor: everything on; handler: grpcio, protobuf and LiteRT, no more;
                                                        echo: grpcio gives back what came; sink: it gives back 40 bytes;
                                                        rest: the predictor's other port; asgi, asgi-h11: an application
                                                        on uvicorn gives back what came; asgi-handler: orjson and LiteRT
.venv/training/bin/python benchmarks/naive_server.py MODEL      model.predict in a grpcio handler
"""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np

MODEL, THREADS = "numbers", 8
START_SECONDS = 30
Answer = Callable[[bytes, grpc.ServicerContext], bytes]


@contextmanager
def predictor(program: Path, door: str) -> Iterator[int]:
    from tests.fixtures.predictor.deploying import Line  # noqa: PLC0415 - the bare servers do not pay for it
    from tests.fixtures.predictor.running import a_line, running  # noqa: PLC0415

    line, log, store = a_line()
    Line.deploy(line, program.read_bytes(), MODEL)
    with tempfile.TemporaryDirectory() as cache, running(Path(cache), log, store) as service:
        deadline = time.monotonic() + START_SECONDS
        while not service.models.ready:
            assert time.monotonic() < deadline, "the predictor did not get ready"
            time.sleep(0.02)
        yield service.rest.port if door == "rest" else service.door.port


@contextmanager
def generic(answer: Answer) -> Iterator[int]:
    """A sync grpcio generic handler on raw bytes: what any Python server pays before it does anything."""
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


def echo(request: bytes, _context: grpc.ServicerContext) -> bytes:
    return request


def sink(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    return b"\0" * 40


@contextmanager
def asgi(parser: str, answer: Callable[[bytes], bytes]) -> Iterator[int]:
    import uvicorn  # noqa: PLC0415 - not for the others

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        partial(asgi_application, answer),
        interface="asgi3",
        http=parser,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    threading.Thread(target=uvicorn.Server(config).run, kwargs={"sockets": [listening]}, daemon=True).start()
    yield listening.getsockname()[1]


async def asgi_application(
    answer: Callable[[bytes], bytes],
    _scope: Mapping[str, Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    content = answer(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def litert_json(program: Path) -> Callable[[bytes], bytes]:
    import orjson  # noqa: PLC0415

    from pushline.engine.litert import load  # noqa: PLC0415

    engine = load([(program, None)])
    engine.warm_up()

    def answer(body: bytes) -> bytes:
        (tensor,) = orjson.loads(body)["inputs"]
        outputs = engine.run({tensor["name"]: np.array(tensor["data"], np.float32).reshape(tensor["shape"])})
        told = [{"name": name, "datatype": "FP32", "shape": y.shape, "data": y.ravel().tolist()} for name, y in outputs.items()]
        return orjson.dumps({"model_name": MODEL, "outputs": told})

    return answer


def litert(program: Path) -> Answer:
    from open_inference import open_inference_grpc_pb2 as pb  # noqa: PLC0415
    from pushline.engine.litert import load  # noqa: PLC0415

    engine = load([(program, None)])
    engine.warm_up()

    def answer(data: bytes, _context: grpc.ServicerContext) -> bytes:
        request = pb.ModelInferRequest.FromString(data)
        x = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(tuple(request.inputs[0].shape))
        outputs = engine.run({request.inputs[0].name: x})
        tensors = [
            pb.ModelInferResponse.InferOutputTensor(name=name, datatype="FP32", shape=y.shape) for name, y in outputs.items()
        ]
        raw = [y.tobytes() for y in outputs.values()]
        return pb.ModelInferResponse(model_name=MODEL, outputs=tensors, raw_output_contents=raw).SerializeToString()

    return answer


def main() -> None:
    subject, program = sys.argv[1], Path(sys.argv[2])
    if subject in ("predictor", "rest"):
        served = predictor(program, subject)
    elif subject.startswith("asgi"):
        answer = litert_json(program) if subject == "asgi-handler" else bytes
        served = asgi("h11" if subject == "asgi-h11" else "httptools", answer)
    else:
        served = generic(litert(program) if subject == "handler" else {"echo": echo, "sink": sink}[subject])
    with served as port:
        print(port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
