"""Traffic that has nothing to do with the attack beside it: two clients a door, each at its own pace, every answer compared."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

import grpc

from benchmarks.hostile import requests
from benchmarks.hostile.subject import INFER, LIGHT_MODEL, Subject
from pushline.client import Client, PredictionFailed
from tests.fixtures.predictor.http2 import HOST

PACE_SECONDS, TIMEOUT_SECONDS = 0.008, 5.0
Ask = Callable[[], bool]  # whether the answer was right; raises where there was none


@dataclass
class Traffic:
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def n(self) -> int:
        return len(self.seconds) + len(self.failures)

    @property
    def success(self) -> float:
        return len(self.seconds) / self.n if self.n else 0.0

    def quantile_ms(self, part: float) -> float:
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1e3

    def keep_asking(self, name: str, ask: Ask) -> None:
        while not self.stop.is_set():
            began = time.perf_counter()
            try:
                right = ask()
            except (grpc.RpcError, PredictionFailed, HTTPException, OSError) as error:
                self.failures.append(f"{name}: {type(error).__name__} {str(error)[:200]}")
            else:
                self._note(name, right, time.perf_counter() - began)
            self.stop.wait(max(0.0, PACE_SECONDS - (time.perf_counter() - began)))

    def _note(self, name: str, right: bool, seconds: float) -> None:
        if right:
            self.seconds.append(seconds)
        else:
            self.failures.append(f"{name}: a wrong answer")


@contextmanager
def traffic(subject: Subject) -> Iterator[Traffic]:
    """Ask until the block ends."""
    seen = Traffic()
    with ExitStack() as stack:
        asks = [("gRPC", _open_inference(subject, stack)), ("typed gRPC", _typed(subject, stack))]
        asks += [("REST", _rest_kept(subject, stack)), ("REST, new connections", _rest_anew(subject))]
        threads = [threading.Thread(target=seen.keep_asking, args=each) for each in asks]
        for thread in threads:
            thread.start()
        try:
            yield seen
        finally:
            seen.stop.set()
            for thread in threads:
                thread.join()


def _open_inference(subject: Subject, stack: ExitStack) -> Ask:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = stack.enter_context(grpc.insecure_channel(f"{HOST}:{subject.grpc}", options))
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(INFER)
    message = requests.raw()
    return lambda: requests.is_right(call(message, timeout=TIMEOUT_SECONDS))


def _typed(subject: Subject, stack: ExitStack) -> Ask:
    client = stack.enter_context(Client(f"{HOST}:{subject.grpc}", TIMEOUT_SECONDS, retry=False))
    return lambda: bool(client.predict(requests.X, model=LIGHT_MODEL).y.tolist() == [requests.Y])


def _rest_kept(subject: Subject, stack: ExitStack) -> Ask:
    connection = HTTPConnection(HOST, subject.rest, timeout=TIMEOUT_SECONDS)
    stack.callback(connection.close)
    return lambda: _rest(connection)


def _rest_anew(subject: Subject) -> Ask:
    def ask() -> bool:
        connection = HTTPConnection(HOST, subject.rest, timeout=TIMEOUT_SECONDS)
        try:
            return _rest(connection)
        finally:
            connection.close()

    return ask


def _rest(connection: HTTPConnection) -> bool:
    try:
        connection.request("POST", requests.rest_path(), requests.rest_body(), requests.JSON)
        with connection.getresponse() as answer:
            body = answer.read()
    except (HTTPException, OSError):
        connection.close()  # the next request makes a new one
        raise
    if answer.status != 200:
        raise HTTPException(f"{answer.status} {body[:200].decode()}")
    return requests.rest_is_right(body)
