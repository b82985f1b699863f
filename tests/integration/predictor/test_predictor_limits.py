"""The doors' switches and limits, each over a real socket: set, and then seen."""

import http.client
import json
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import grpc
import pytest

from open_inference import open_inference_grpc_pb2 as oip
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.tfserving.v1 import tfserving_pb2
from tests.fixtures.predictor.grpcurl import run
from tests.fixtures.predictor.running import channel_to, open_inference, wait_for
from tests.fixtures.predictor.stock import Live, live

HEAVY_ROWS = 256  # four tenths of a second
CLOSED = b""
X = {"name": "x", "datatype": "FP32", "shape": [HEAVY_ROWS, 4], "data": [0] * 4 * HEAVY_ROWS}
ONE = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    limits = {
        "metadata": "no",
        "reflection": "no",
        "max_metadata": "2KiB",
        "max_streams": "1",
        "connection_age": "1s",
        "max_connections": "4",
        "header_timeout": "1s",
        "idle_timeout": "300ms",
        "answer_timeout": "100ms",
    }
    with live(tmp_path_factory.mktemp("cache"), **limits) as predictor:
        yield predictor


def ask(predictor: Live, path: str, body: bytes | None = None) -> tuple[int, object]:
    connection = http.client.HTTPConnection(predictor.rest, timeout=20)
    connection.request("GET" if body is None else "POST", path, body)
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2", None),
        ("/v2/models/numbers", None),
        ("/v2/models/numbers/versions/1", None),
        ("/v2/repository/index", b""),
        ("/v1/models/numbers/metadata", None),
    ],
)
def test_metadata_that_is_switched_off_is_told_nobody_over_rest(limited: Live, path: str, body: bytes | None) -> None:
    assert ask(limited, path, body) == (403, {"error": "metadata is switched off here (PUSHLINE_METADATA)"})


def test_metadata_that_is_switched_off_is_told_nobody_over_grpc(limited: Live) -> None:
    with channel_to(limited.service) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        metadata: grpc.UnaryUnaryMultiCallable[tfserving_pb2.GetModelMetadataRequest, bytes] = channel.unary_unary(
            "/tensorflow.serving.PredictionService/GetModelMetadata", tfserving_pb2.GetModelMetadataRequest.SerializeToString
        )
        asked = tfserving_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        asked.model_spec.name = "numbers"
        calls: list[Callable[[], object]] = [
            lambda: stub.ServerMetadata(oip.ServerMetadataRequest(), timeout=10),
            lambda: stub.ModelMetadata(oip.ModelMetadataRequest(name="numbers"), timeout=10),
            lambda: stub.RepositoryIndex(oip.RepositoryIndexRequest(), timeout=10),
            lambda: metadata(asked, timeout=10),
        ]
        codes = []
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                call()
            codes.append(caught.value.code())

    assert codes == [grpc.StatusCode.PERMISSION_DENIED] * len(calls)


def test_what_is_no_metadata_is_told_all_the_same(limited: Live) -> None:
    assert ask(limited, "/v2/models/numbers/ready") == (200, {"name": "numbers", "ready": True})
    assert ask(limited, "/v2/models/numbers/infer", ONE)[0] == 200
    assert ask(limited, "/v1/models/numbers:predict", b'{"instances": [[1, 2, 3, 4]]}') == (200, {"predictions": [[2, 4, 6]]})


def test_reflection_that_is_switched_off_is_not_there(limited: Live) -> None:
    done = run(limited.grpc, "list")

    assert done.returncode != 0
    assert "server does not support the reflection API" in done.stderr


def test_metadata_of_a_call_above_the_limit_is_refused(limited: Live) -> None:
    with open_inference(limited.service) as stub, pytest.raises(grpc.RpcError) as caught:
        stub.ServerLive(oip.ServerLiveRequest(), timeout=10, metadata=(("x-much", "a" * 4096),))

    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_connection_takes_as_many_calls_at_once_as_it_may(tmp_path: Path) -> None:
    """Further ones wait in their client for a place on the connection: both calls are answered, one after the other."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[HEAVY_ROWS, 4])
    heavy = oip.ModelInferRequest(model_name="heavy", inputs=[tensor], raw_input_contents=[bytes(HEAVY_ROWS * 16)])
    labels = {"method": "ModelInfer", "code": "OK"}
    with live(tmp_path, max_streams="1") as predictor, open_inference(predictor.service) as stub:
        stub.ServerLive(oip.ServerLiveRequest(), timeout=10)
        first = stub.ModelInfer.future(heavy, timeout=20)
        stub.ServerLive(oip.ServerLiveRequest(), timeout=20)
        answered = predictor.service.registry.get_sample_value("pushline_predictor_requests_total", labels)

        assert answered == 1
        assert first.result(timeout=20).outputs


def test_a_connection_that_is_old_is_ended_and_its_client_makes_another(limited: Live) -> None:
    with open_inference(limited.service) as stub:
        seen: set[str] = set()

        def look() -> bool:
            stub.ServerLive(oip.ServerLiveRequest(), timeout=10)
            seen.update(connections_to(limited.service.door.port))
            return len(seen) > 1

        wait_for(look, "a second connection")


def connections_to(port: int) -> set[str]:
    """Local ends of established connections of this machine to the port, in the kernel's words."""
    fields = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {each[1] for each in fields if each[2].endswith(f":{port:04X}") and each[3] == "01"}


def test_connections_beyond_as_many_as_there_may_be_take_the_place_of_idle_ones(limited: Live) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", limited.service.rest.port))) for _ in range(4)]
        for each in idle:
            each.settimeout(20)

        assert ask(limited, "/v2/health/live") == (200, {"live": True})
        assert idle[0].recv(1) == CLOSED


def test_headers_that_do_not_come_and_connections_that_idle_are_not_waited_for(limited: Live) -> None:
    with socket.create_connection(("127.0.0.1", limited.service.rest.port), timeout=20) as silent:
        began = time.monotonic()
        assert silent.recv(1) == CLOSED
        assert 0.9 <= time.monotonic() - began < 5
    with socket.create_connection(("127.0.0.1", limited.service.rest.port), timeout=20) as idle:
        idle.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        while idle.recv(4096):
            pass
        assert 0.2 <= time.monotonic() - began < 0.9


def test_an_answer_that_takes_too_long_is_not_waited_for(limited: Live) -> None:
    status, body = ask(limited, "/v2/models/heavy/infer", json.dumps({"inputs": [X]}).encode())

    assert (status, body) == (504, {"error": "there was no answer within 0.1 seconds"})


def test_clients_that_ping_too_often_are_sent_away(tmp_path: Path) -> None:
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    with live(tmp_path, ping_interval="1h") as predictor, grpc.insecure_channel(predictor.grpc, options) as channel:
        seen: list[grpc.ChannelConnectivity] = []
        channel.subscribe(seen.append, try_to_connect=True)

        wait_for(lambda: grpc.ChannelConnectivity.READY in seen, "a connection")
        wait_for(lambda: grpc.ChannelConnectivity.READY in seen and seen[-1] != grpc.ChannelConnectivity.READY, "its end")


GREETING_SECONDS = 1.0


def test_connections_of_grpc_beyond_as_many_as_there_may_be_are_closed_and_one_that_ends_makes_room(tmp_path: Path) -> None:
    with live(tmp_path, max_grpc_connections="3") as predictor, ExitStack() as stack:
        channels = [grpc.insecure_channel(predictor.grpc, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
        for channel in channels:
            stack.callback(channel.close)
        stubs = [oip_grpc.GRPCInferenceServiceStub(channel) for channel in channels]
        for stub in stubs[:3]:
            assert stub.ServerLive(oip.ServerLiveRequest(), timeout=10).live
        with pytest.raises(grpc.RpcError) as caught:
            stubs[3].ServerLive(oip.ServerLiveRequest(), timeout=10)
        channels[0].close()

        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert stubs[3].ServerLive(oip.ServerLiveRequest(), timeout=20, wait_for_ready=True).live
        assert stubs[1].ServerLive(oip.ServerLiveRequest(), timeout=10).live


def test_as_many_files_may_be_open_as_there_may_be_connections(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with live(tmp_path, max_grpc_connections="2000", max_connections="300"):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (2000 + 300 + 256, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_of_grpc_without_calls_is_ended(tmp_path: Path) -> None:
    with live(tmp_path, connection_idle="300ms") as predictor, grpc.insecure_channel(predictor.grpc) as channel:
        seen: list[grpc.ChannelConnectivity] = []
        channel.subscribe(seen.append, try_to_connect=True)

        wait_for(lambda: grpc.ChannelConnectivity.READY in seen, "a connection")
        wait_for(lambda: grpc.ChannelConnectivity.READY in seen and seen[-1] != grpc.ChannelConnectivity.READY, "its end")
        assert oip_grpc.GRPCInferenceServiceStub(channel).ServerLive(oip.ServerLiveRequest(), timeout=10).live


def test_a_connection_that_never_greets_grpc_is_not_waited_for(limited: Live) -> None:
    with socket.create_connection(("127.0.0.1", limited.service.door.port), timeout=20) as silent:
        began = time.monotonic()
        while silent.recv(4096):
            pass

    assert 0.9 <= time.monotonic() - began < GREETING_SECONDS + 4


def test_a_models_own_limits_hold_for_it_and_no_other(tmp_path: Path) -> None:
    def told(model: str, rows: int) -> tuple[int, object]:
        tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 4], "data": [0] * 4 * rows}
        return ask(predictor, f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode())

    with live(tmp_path, model_limits="heavy: rows=2 in_flight=1") as predictor:
        assert told("heavy", 2)[0] == 200
        assert told("heavy", 3) == (413, {"error": "inputs.x.shape: has 3 rows; the limit is 2 a request"})
        assert told("numbers", 300)[0] == 200


HEAD = b"POST /v2/models/numbers/infer HTTP/1.1\r\nHost: x\r\n"
TOO_MUCH = [
    pytest.param(HEAD + b"X-Much: " + b"a" * 20_000 + b"\r\n\r\n", id="one header"),
    pytest.param(HEAD + b"X-Much: " + b"a" * 20_000, id="a header without an end"),
    pytest.param(HEAD + b"X: y\r\n" * 5000 + b"\r\n", id="many headers"),
    pytest.param(b"POST /" + b"a" * 20_000, id="a path without an end"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 600_000, id="a chunk's extension without an end"),
    pytest.param(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Much: " + b"a" * 600_000, id="a trailer without an end"
    ),
]


@pytest.mark.parametrize("text", TOO_MUCH)
def test_headers_above_the_limit_end_the_connection(limited: Live, text: bytes) -> None:
    began, told = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", limited.service.rest.port), timeout=20) as wire, suppress(ConnectionError):
        wire.sendall(text)  # who is still sending may see the end before the answer
        while piece := wire.recv(4096):
            told += piece

    assert told == b"" or told.startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - began < 0.9  # before any time is over
