"""KServe's stock clients, gRPC and REST, against a live predictor."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.predictor.stock import ALL_DTYPES, Live, Y, live, seen_by


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, dict[str, Any]]]:
    """The predictor, and what the clients saw."""
    with live(tmp_path_factory.mktemp("cache")) as predictor:
        yield predictor, seen_by("kserve", "stock_kserve_client.py", predictor.grpc, predictor.rest)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_health_and_readiness_are_told(asked: tuple[Live, dict[str, Any]], protocol: str) -> None:
    found = asked[1][protocol]

    assert (found["health"], found["ready"]) == ([True, True], [True, False])


@pytest.mark.parametrize(("protocol", "form"), [("grpc", "raw"), ("grpc", "typed"), ("rest", "JSON"), ("rest", "binary")])
def test_answers_are_right_in_every_form(asked: tuple[Live, dict[str, Any]], protocol: str, form: str) -> None:
    version = {"grpc": "1", "rest": None}[protocol]  # over REST the client drops it

    assert asked[1][protocol][form] == {"y": Y, "id": "five", "version": version}


def test_every_dtype_goes_there_and_back(asked: tuple[Live, dict[str, Any]]) -> None:
    seen = asked[1]

    assert [seen["grpc"][f"dtypes {form}"] for form in ("raw", "typed")] == [ALL_DTYPES] * 2
    assert [seen["rest"][f"dtypes {form}"] for form in ("JSON", "binary")] == [ALL_DTYPES] * 2
    assert (seen["grpc"]["half"], seen["rest"]["half"]) == (["float16"], ["float16"])


def test_the_answer_names_the_commit(asked: tuple[Live, dict[str, Any]]) -> None:
    assert asked[1]["rest"]["commit"] == asked[0].event.commit.sha


@pytest.mark.parametrize(
    ("protocol", "what", "code", "named"),
    [
        ("grpc", "model", "NOT_FOUND", "'other'"),
        ("grpc", "version", "NOT_FOUND", "no version '7'"),
        ("grpc", "dtype", "INVALID_ARGUMENT", "inputs.x.datatype"),
        ("rest", "model", "404", "'other'"),
        ("rest", "dtype", "400", "inputs.x.datatype"),
    ],
)
def test_refusals_are_told_as_the_clients_expect(
    asked: tuple[Live, dict[str, Any]], protocol: str, what: str, code: str, named: str
) -> None:
    found = asked[1][protocol]["refused"][what]

    assert found[0] == code
    assert named in found[1]
