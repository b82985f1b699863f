"""Bearer tokens over real sockets: every door asks for one, and takes a new one without a restart."""

import io
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import generate_latest

from open_inference import open_inference_grpc_pb2 as pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.client import Client, Unauthenticated
from pushline.predictor.service import Service
from pushline.runtime import logs
from pushline.runtime.tokens import CHALLENGE
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc
from tests.fixtures.predictor.certificates import replaced
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.running import a_line, channel_to, in_process, settings, wait_for, wait_until_sure

FIRST, SECOND, WRONG = "first-token-of-the-tests", "second-token-of-the-tests", "wrong-token-of-the-tests"
X = [[1.0, 2.0, 3.0, 4.0]]
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()
Code = grpc.StatusCode


@dataclass
class Guarded:
    service: Service
    tokens: Path
    output: io.StringIO

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.service.door.port}"

    def said(self, message: str) -> int:
        return self.output.getvalue().count(message)


@pytest.fixture
def output() -> io.StringIO:
    """The logs as the process writes them."""
    return io.StringIO()


@pytest.fixture
def guarded(tmp_path: Path, output: io.StringIO) -> Iterator[Guarded]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    tokens = replaced(tmp_path / "tokens", f"alice {FIRST}\n".encode())
    told = settings(tmp_path / "cache", tokens_file=str(tokens))
    service = Service(told, log, in_process(told, store), logs.configure("pushline-predictor", output))
    service.start()
    try:
        wait_until_sure(service, 1)
        yield Guarded(service, tokens, output)
    finally:
        service.stop()
    for token in (FIRST, SECOND, WRONG):
        assert token not in output.getvalue()


def infer(channel: grpc.Channel, **metadata: str) -> object:
    x = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(1, 4))
    request = pb.ModelInferRequest(model_name="numbers", inputs=[x], raw_input_contents=[b"\0" * 16])
    return oip_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=tuple(metadata.items()), timeout=5)


def predict(channel: grpc.Channel, **metadata: str) -> object:
    request = serving_pb2.PredictRequest(x=serving_pb2.Tensor(shape=(1, 4), values=(1, 2, 3, 4)))
    return serving_pb2_grpc.PredictorStub(channel).Predict(request, metadata=tuple(metadata.items()), timeout=5)


def describe(channel: grpc.Channel, **metadata: str) -> object:
    request = pb.ModelMetadataRequest(name="numbers")
    return oip_grpc.GRPCInferenceServiceStub(channel).ModelMetadata(request, metadata=tuple(metadata.items()), timeout=5)


def server(channel: grpc.Channel, **metadata: str) -> object:
    request = pb.ServerMetadataRequest()
    return oip_grpc.GRPCInferenceServiceStub(channel).ServerMetadata(request, metadata=tuple(metadata.items()), timeout=5)


def reflect(channel: grpc.Channel, **metadata: str) -> object:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return next(iter(stub.ServerReflectionInfo(asked, metadata=tuple(metadata.items()), timeout=5)))


CALLS = [infer, predict, describe, server, reflect]
METHODS = ["ModelInfer", "Predict", "ModelMetadata", "ServerMetadata", "ServerReflectionInfo"]
WRONG_HEADERS = [
    pytest.param({}, id="no token"),
    pytest.param({"authorization": f"Bearer {WRONG}"}, id="a wrong token"),
    pytest.param({"authorization": FIRST}, id="no scheme"),
    pytest.param({"authorization": f"Basic {FIRST}"}, id="another scheme"),
    pytest.param({"x-authorization": f"Bearer {FIRST}"}, id="another header"),
]


@pytest.mark.parametrize("headers", WRONG_HEADERS)
def test_no_grpc_door_opens_without_the_token(guarded: Guarded, headers: dict[str, str]) -> None:
    with channel_to(guarded.service) as channel:
        for call in CALLS:
            infer(channel, authorization=f"Bearer {FIRST}")  # what a door remembers of a good call opens nothing
            with pytest.raises(grpc.RpcError) as caught:
                call(channel, **headers)
            assert caught.value.code() is Code.UNAUTHENTICATED
            said = [f"{each.key}: {each.value!s}" for each in caught.value.trailing_metadata() or ()]
            assert f"www-authenticate: {CHALLENGE}" in said


@pytest.mark.parametrize("call", CALLS)
def test_every_grpc_door_opens_with_it(guarded: Guarded, call: Callable[..., object]) -> None:
    with channel_to(guarded.service) as channel:
        assert call(channel, authorization=f"bearer {FIRST}")


def test_health_is_open_over_grpc(guarded: Guarded) -> None:
    with channel_to(guarded.service) as channel:
        health, oip = health_pb2_grpc.HealthStub(channel), oip_grpc.GRPCInferenceServiceStub(channel)

        assert health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == health_pb2.HealthCheckResponse.SERVING
        assert next(iter(health.Watch(health_pb2.HealthCheckRequest(), timeout=5))).status
        assert oip.ServerLive(pb.ServerLiveRequest(), timeout=5).live
        assert oip.ServerReady(pb.ServerReadyRequest(), timeout=5).ready
        assert oip.ModelReady(pb.ModelReadyRequest(name="numbers"), timeout=5).ready


def test_refused_calls_are_counted_under_names_that_the_caller_cannot_choose(guarded: Guarded) -> None:
    with channel_to(guarded.service) as channel:
        for call in CALLS:
            with pytest.raises(grpc.RpcError):
                call(channel)
        made_up: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/made.up/Name")
        with pytest.raises(grpc.RpcError) as caught:
            made_up(b"", timeout=5)
        assert caught.value.code() is Code.UNAUTHENTICATED

    metrics = generate_latest(guarded.service.registry).decode()
    for method in (*METHODS, "unknown"):
        assert f'requests_total{{code="UNAUTHENTICATED",method="{method}"}} 1.0' in metrics
    assert "made.up" not in metrics
    assert 'method="Name"' not in metrics


def test_a_refused_caller_who_sends_no_message_is_not_waited_for(guarded: Guarded) -> None:
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(20)
        yield from ()

    with channel_to(guarded.service) as channel:
        call: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        asked = [call.future(nothing(), timeout=20) for _ in range(12)]
        assert {each.code() for each in asked} == {Code.UNAUTHENTICATED}
        silent.set()


def rest(guarded: Guarded, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json", **headers}
    asked = urllib.request.Request(f"http://127.0.0.1:{guarded.service.rest.port}{path}", body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - http
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


PATHS = [("/v2", None), ("/v2/models/numbers", None), ("/v2/models/numbers/infer", BODY), ("/nothing/here", None)]


@pytest.mark.parametrize("headers", WRONG_HEADERS)
def test_no_rest_path_opens_without_the_token(guarded: Guarded, headers: dict[str, str]) -> None:
    for path, body in PATHS:
        status, answered, said = rest(guarded, path, body, **headers)

        assert (status, answered["www-authenticate"]) == (401, CHALLENGE)
        assert "a token is needed" in json.loads(said)["error"]
    assert f'requests_total{{code="401",method="rest"}} {len(PATHS)}.0' in generate_latest(guarded.service.registry).decode()


def test_rest_opens_with_it(guarded: Guarded) -> None:
    answers = [rest(guarded, path, body, Authorization=f"Bearer {FIRST}")[0] for path, body in PATHS]

    assert answers == [200, 200, 200, 404]


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/health/ready", "/v2/models/numbers/ready", "/v2/models/numbers/versions/1/ready"]
)
def test_health_is_open_over_rest(guarded: Guarded, path: str) -> None:
    assert rest(guarded, path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v2/health/ready/", "/v2/models/a/b/ready", "/v2/models/numbers/infer/ready", "//v2/health/live"]
)
def test_what_is_only_like_it_is_not(guarded: Guarded, path: str) -> None:
    assert rest(guarded, path)[0] == 401
    assert rest(guarded, "/v2/health/ready", b"{}")[0] == 401


def test_a_large_body_without_a_token_gets_its_answer_and_the_next_caller_too(guarded: Guarded) -> None:
    assert rest(guarded, "/v2/models/numbers/infer", b" " * (4 << 20))[0] == 401
    assert rest(guarded, "/v2/models/numbers/infer", BODY, Authorization=f"Bearer {FIRST}")[0] == 200


def test_tokens_rotate_without_a_restart_while_a_client_goes_on(guarded: Guarded, tmp_path: Path) -> None:
    kept = replaced(tmp_path / "token", FIRST.encode())
    with Client(guarded.address, token_file=kept) as client:
        client.predict(X)

        replaced(guarded.tokens, f"alice {FIRST}\nalice-next {SECOND}\n".encode())
        wait_for(lambda: guarded.said("alice, alice-next") == 1, "both tokens to count")
        client.predict(X)
        replaced(kept, SECOND.encode())
        client.predict(X)

        replaced(guarded.tokens, f"alice-next {SECOND}\n".encode())
        wait_for(lambda: guarded.said("the new tokens count from now on") == 2, "the new token to be the only one")
        client.predict(X)
        assert rest(guarded, "/v2", None, Authorization=f"Bearer {SECOND}")[0] == 200
        assert rest(guarded, "/v2", None, Authorization=f"Bearer {FIRST}")[0] == 401
    with Client(guarded.address, token=FIRST) as client, pytest.raises(Unauthenticated):
        client.predict(X)


@pytest.mark.parametrize("become", [b"", b"short\n", b"#" * (2 << 20), "a named pipe", None], ids=lambda become: str(become)[:12])
def test_a_bad_file_changes_nothing_and_is_told(guarded: Guarded, become: bytes | str | None) -> None:
    if not isinstance(become, bytes):
        guarded.tokens.unlink()
        if become is not None:
            os.mkfifo(guarded.tokens)
    else:
        replaced(guarded.tokens, become)
    wait_for(lambda: guarded.said("the new tokens are refused; the ones before them count on") == 1, "the refusal")

    with Client(guarded.address, token=FIRST) as client:
        assert client.predict(X).deploy_seq == 1
    assert "PUSHLINE_TOKENS_FILE: " in guarded.output.getvalue()


def test_tokens_in_clear_on_an_address_that_others_reach_are_told_loudly(tmp_path: Path, output: io.StringIO) -> None:
    tokens = replaced(tmp_path / "tokens", FIRST.encode())
    _, log, store = a_line()
    for bind, times in (("127.0.0.1", 0), ("::1", 0), ("0.0.0.0", 1)):  # noqa: S104 - made, never started
        told = settings(tmp_path / "cache", tokens_file=str(tokens), bind=bind)
        Service(told, log, in_process(told, store), logs.configure("predictor", output))

        assert output.getvalue().count("TOKENS GO OVER THE NETWORK IN CLEAR") == times
    assert '"log.level":"warning"' in output.getvalue()
