"""The clients against a server: what they try again, what arrives, and how they say what went wrong."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import numpy as np
import pytest

from pushline.client import (
    Answer,
    AsyncClient,
    BadRequest,
    Client,
    DeadlineExceeded,
    ModelNotFound,
    Overloaded,
    PredictionFailed,
    Unauthenticated,
    Unavailable,
)
from pushline.client.messages import DTYPES
from tests.fixtures.predictor.scripted import Scripted, refusing, serving
from tests.waiting import until

Code = grpc.StatusCode
Ask = Callable[..., Answer]
X = [[1.0]]


def in_a_thread(address: str, x: object = X, **told: Any) -> Answer:
    with Client(address, **told) as client:
        return client.predict(x)  # type: ignore[arg-type]  # the test's own


def in_a_loop(address: str, x: object = X, **told: Any) -> Answer:
    async def ask() -> Answer:
        async with AsyncClient(address, **told) as client:
            return await client.predict(x)  # type: ignore[arg-type]  # the test's own

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [in_a_thread, in_a_loop])


@both
def test_what_did_not_reach_a_replica_is_tried_again(ask: Ask) -> None:
    script = Scripted([Code.UNAVAILABLE, Code.CANCELLED, Code.UNAVAILABLE])
    with serving(script) as address:
        assert ask(address).y.tolist() == [[1.0]]

    assert script.calls == 4


@both
def test_so_is_a_large_one(ask: Ask) -> None:
    script = Scripted([Code.UNAVAILABLE])
    x = np.zeros((1, 2_000_000), np.float32)  # more than gRPC keeps for another try by itself
    with serving(script) as address:
        assert ask(address, x).y.shape == x.shape

    assert script.calls == 2


def test_a_replica_that_stays_away_is_tried_again_soon_however_long_that_lasts() -> None:
    with refusing() as (address, attempts), Client(address, retry=False) as client:

        def tried_seven_times() -> bool:  # by gRPC's own rule that takes 28 s
            with suppress(Unavailable):
                client.predict(X)
            return len(attempts) >= 7

        until(tried_seven_times, 14, "the seventh attempt")


@both
def test_without_retries_nothing_is_tried_again(ask: Ask) -> None:
    script = Scripted([Code.UNAVAILABLE])
    with serving(script) as address, pytest.raises(Unavailable):
        ask(address, retry=False)

    assert script.calls == 1


@both
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_ARGUMENT, BadRequest),
        (Code.NOT_FOUND, ModelNotFound),
        (Code.UNAUTHENTICATED, Unauthenticated),
        (Code.RESOURCE_EXHAUSTED, Overloaded),
        (Code.INTERNAL, PredictionFailed),
    ],
)
def test_nothing_else_is_tried_again(ask: Ask, code: grpc.StatusCode, kind: type[PredictionFailed]) -> None:
    script = Scripted([code])
    with serving(script) as address, pytest.raises(kind, match="as the script says") as caught:
        ask(address)

    assert script.calls == 1
    assert (type(caught.value), caught.value.code) == (kind, code.name)
    assert caught.value.retry_after_seconds is None


@both
def test_an_overload_says_when_to_come_back(ask: Ask) -> None:
    script = Scripted([Code.RESOURCE_EXHAUSTED], pushback="1500")
    with serving(script) as address, pytest.raises(Overloaded) as caught:
        ask(address)

    assert caught.value.retry_after_seconds == 1.5


@both
def test_an_overload_is_tried_again_where_the_caller_wants_it_when_the_predictor_says(ask: Ask) -> None:
    script = Scripted([Code.RESOURCE_EXHAUSTED, Code.RESOURCE_EXHAUSTED], pushback="300")
    with serving(script) as address:
        began = time.monotonic()
        assert ask(address, retry_overload=True).y.tolist() == [[1.0]]

    assert script.calls == 3
    assert time.monotonic() - began >= 0.6


@both
def test_a_predictor_that_says_never_is_not_asked_again(ask: Ask) -> None:
    script = Scripted([Code.RESOURCE_EXHAUSTED], pushback="-1")
    with serving(script) as address, pytest.raises(Overloaded):
        ask(address, retry_overload=True)

    assert script.calls == 1


@both
def test_a_call_ends_at_its_deadline(ask: Ask) -> None:
    script = Scripted()
    script.hold.clear()
    with serving(script) as address, pytest.raises(DeadlineExceeded):
        ask(address, timeout_seconds=0.3)


@both
def test_nobody_there_is_unavailable(ask: Ask) -> None:
    with pytest.raises(Unavailable):
        ask("127.0.0.1:1", timeout_seconds=5)


@both
@pytest.mark.parametrize("datatype", sorted(DTYPES.keys() - {"BYTES"}))
def test_numbers_of_every_dtype_come_back_as_they_went(ask: Ask, datatype: str) -> None:
    dtype = DTYPES[datatype]
    ends = [np.finfo(dtype).max, np.finfo(dtype).tiny] if dtype.kind == "f" else [0, 1]
    if dtype.kind in "iu":
        ends = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    x = np.array([ends], dtype)
    with serving(Scripted(datatype=datatype)) as address:
        y = ask(address, x).y

    assert y.dtype == dtype
    assert y.tobytes() == x.tobytes()


@both
def test_texts_come_back_as_they_went(ask: Ask) -> None:
    with serving(Scripted(datatype="BYTES")) as address:
        y = ask(address, [["", "nørth"]]).y

    assert y.tolist() == [[b"", "nørth".encode()]]


@both
def test_what_does_not_fit_the_models_dtype_is_refused_by_name_and_not_sent(ask: Ask) -> None:
    script = Scripted(datatype="UINT8")
    with serving(script) as address, pytest.raises(BadRequest, match=r"^x: holds a number that does not fit uint8"):
        ask(address, [[256]])

    assert script.calls == 0


@both
def test_token_and_metadata_go_with_the_call(ask: Ask) -> None:
    script = Scripted()
    with serving(script) as address:
        ask(address, token="a-token-of-the-tests", metadata={"X-Team": "search"})

    assert script.seen[0]["authorization"] == "Bearer a-token-of-the-tests"
    assert script.seen[0]["x-team"] == "search"


def test_the_model_is_asked_once_what_it_takes_and_again_when_it_takes_something_else() -> None:
    script = Scripted()
    with serving(script) as address, Client(address) as client:
        assert client.predict([[1.0]]).y.dtype == np.float32
        assert client.predict([[2.0]]).y.dtype == np.float32
        assert script.descriptions == 1

        script.datatype, script.codes = "INT64", [Code.INVALID_ARGUMENT]
        assert client.predict([[3.0]]).y.dtype == np.int64
        assert (script.descriptions, script.calls) == (2, 4)

        with pytest.raises(BadRequest, match="not whole"):
            client.predict([[0.5]])
        assert (script.descriptions, script.calls) == (3, 4)


def test_a_refusal_of_what_fits_is_not_asked_twice() -> None:
    script = Scripted()
    with serving(script) as address, Client(address) as client:
        client.predict(X)
        script.codes = [Code.INVALID_ARGUMENT]
        with pytest.raises(BadRequest, match="as the script says"):
            client.predict(X)

    assert (script.descriptions, script.calls) == (2, 2)


def test_a_loop_asks_many_at_once() -> None:
    async def ask_all(address: str) -> list[float]:
        async with AsyncClient(address) as client:
            answers = await asyncio.gather(*(client.predict([[float(number)]]) for number in range(50)))
            return [float(answer.y[0, 0]) for answer in answers]

    with serving(Scripted()) as address:
        assert asyncio.run(ask_all(address)) == list(range(50))


def test_a_cancelled_call_is_taken_back_from_the_server() -> None:
    script = Scripted()
    script.hold.clear()

    async def give_up(address: str) -> None:
        async with AsyncClient(address) as client:
            asked = asyncio.ensure_future(client.predict(X))
            assert await asyncio.to_thread(script.arrived.wait, 5)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    with serving(script) as address:
        asyncio.run(give_up(address))
        until(script.waited_out.is_set, 5, "the call to end at the server")


def test_outside_of_a_loop_there_is_no_async_client() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncClient("localhost:8001")
