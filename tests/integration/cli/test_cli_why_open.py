"""What a service says of itself at /readyz stands in the answer about a run that waits for it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from pushline.cli.line_file import LineFile, StoreAccess
from pushline.cli.why_open import notes_on
from pushline.line.why import Answer
from pushline.objects.memory_store import MemoryStore
from pushline.runtime.health import Health
from pushline.runtime.status_server import StatusServer

LINE = LineFile(0, "b", {}, "", StoreAccess("s", "b", "k", "s", "r"), "127.0.0.1", {}, {}, "", "")
WAITS = Answer("waiting_for_evaluation", "it waits", (), (), "digits", "a" * 40, "run")


@pytest.fixture
def problems() -> dict[str, str]:
    return {}


@pytest.fixture
def evaluator(problems: dict[str, str]) -> Iterator[StatusServer]:
    health = Health()
    for part in ("store", "work"):
        health.watch(part, lambda part=part: problems.get(part, ""))  # type: ignore[misc]
    server = StatusServer("127.0.0.1", 0, health, CollectorRegistry())
    server.start()
    yield server
    server.stop()


def notes(port: int, answer: Answer = WAITS) -> tuple[str, ...]:
    return notes_on(answer, MemoryStore(), replace(LINE, ports={"evaluator": {"metrics": port}}))


def test_a_service_that_waits_says_for_what(evaluator: StatusServer, problems: dict[str, str]) -> None:
    problems["store"] = "s3.example.com does not answer"

    assert notes(evaluator.port) == ("the evaluator says: store: s3.example.com does not answer",)


def test_a_service_that_is_well_is_ready(evaluator: StatusServer) -> None:
    assert notes(evaluator.port) == ("the evaluator is ready",)


def test_a_service_that_is_gone_is_told(evaluator: StatusServer) -> None:
    evaluator.stop()

    (note,) = notes(evaluator.port)

    assert note.startswith("the evaluator does not answer at http://127.0.0.1:")


def test_only_who_is_waited_for_is_asked(evaluator: StatusServer) -> None:
    assert notes(evaluator.port, replace(WAITS, cause="waiting_for_decision")) == ()
    assert notes(evaluator.port, replace(WAITS, cause="live")) == ()
