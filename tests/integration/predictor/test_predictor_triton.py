"""Triton's stock clients, gRPC and HTTP, blocking and asyncio, against a live predictor: every dtype in every form."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.predictor.stock import ALL_DTYPES, Y, live, seen_by

INDEX = [[name, "1", "READY"] for name in ("dtypes", "half", "heavy", "numbers")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the clients saw; no message above 1 MiB is taken."""
    with live(tmp_path_factory.mktemp("cache"), max_message="1MiB") as predictor:
        yield seen_by("", "stock_triton_client.py", predictor.grpc, predictor.rest)


def test_every_dtype_goes_there_and_back_over_grpc(seen: dict[str, Any]) -> None:
    found = seen["grpc"]

    assert (found["raw"], found["typed"], found["half"]) == (ALL_DTYPES, ALL_DTYPES, ["float16"])


def test_every_dtype_goes_there_and_back_over_http(seen: dict[str, Any]) -> None:
    found = seen["http"]

    assert (found["binary"], found["JSON"], found["half"]) == (ALL_DTYPES, ALL_DTYPES, ["float16"])


def test_outputs_id_and_version_are_as_asked(seen: dict[str, Any]) -> None:
    assert seen["grpc"]["chosen"] == ["seven", ["int8_out"], ["int8"]]
    assert seen["grpc"]["version"] == Y
    assert seen["grpc"]["ready"] == [True, True, False]
    assert seen["http"]["parameters"] == Y  # parameters that nobody knows are passed over


def test_the_models_are_listed(seen: dict[str, Any]) -> None:
    assert (seen["grpc"]["index"], seen["http"]["index"]) == (INDEX, INDEX)


def test_packed_requests_and_answers_are_read(seen: dict[str, Any]) -> None:
    assert seen["grpc"]["packed"]
    assert seen["http"]["codings"] == [f"{coding} {form}" for coding in ("gzip", "deflate") for form in ("binary", "JSON")]


def test_asyncio_clients_are_answered(seen: dict[str, Any]) -> None:
    assert seen["asyncio"]["grpc"] == [True, [2.0 * (1 + number) for number in range(32)]]
    assert seen["asyncio"]["http"] == [True, Y, True]


@pytest.mark.parametrize(
    ("protocol", "what", "status", "named"),
    [
        ("grpc", "version", "StatusCode.NOT_FOUND", "no version '7'"),
        ("grpc", "model", "StatusCode.NOT_FOUND", "'other'"),
        ("grpc", "dtype", "StatusCode.INVALID_ARGUMENT", "inputs.x.datatype"),
        ("grpc", "shape", "StatusCode.INVALID_ARGUMENT", "inputs.x.shape"),
        ("grpc", "output", "StatusCode.INVALID_ARGUMENT", "outputs.z"),
        ("grpc", "deadline", "StatusCode.DEADLINE_EXCEEDED", ""),
        ("grpc", "bomb", "StatusCode.RESOURCE_EXHAUSTED", ""),
        ("http", "version", "404", "no version '7'"),
        ("http", "model", "404", "'other'"),
        ("http", "dtype", "400", "inputs.x.datatype"),
        ("http", "bomb", "413", "above 1048576 bytes"),
    ],
)
def test_refusals_have_the_codes_that_the_clients_know(
    seen: dict[str, Any], protocol: str, what: str, status: str, named: str
) -> None:
    found = seen[protocol]["refused"][what]

    assert found[0] == status
    assert named in found[1]
