"""Health over gRPC: whoever watches is told what changes, and nobody who watches stops anything."""

import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pushline.predictor.health import MOST_WATCHERS, WATCH
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, Line
from tests.fixtures.predictor.http2 import (
    INITIAL_WINDOW_SIZE,
    PREFACE,
    RESOURCE_EXHAUSTED,
    SETTINGS,
    Connection,
    Event,
    frame,
    grpc_message,
    header_block,
)
from tests.fixtures.predictor.running import a_line, channel_to, running, wait_until_sure
from tests.waiting import until

SECONDS = 20.0
CONNECTIONS, TOO_MANY = 8, 4  # of watchers, and how many of each are more than there may be
NOT_SERVING, SERVING = health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
Code = grpc.StatusCode


def watch(channel: grpc.Channel, service: str = "") -> Iterator[Any]:
    watching: Iterator[Any] = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service=service), timeout=SECONDS
    )
    return watching


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Line, Service]]:
    line, log, store = a_line()
    with running(tmp_path, log, store, models="numbers") as service:
        yield line, service


def test_whoever_watches_is_told_every_change_and_of_what_is_not_known(line: tuple[Line, Service]) -> None:
    with channel_to(line[1]) as channel:
        everything, model, other = (watch(channel, name) for name in ("", "numbers", "other"))

        assert [next(each).status for each in (everything, model, other)] == [
            NOT_SERVING,
            NOT_SERVING,
            SERVICE_UNKNOWN,
        ]
        line[0].deploy(DOUBLE)
        assert [next(each).status for each in (everything, model)] == [SERVING, SERVING]


def test_a_name_that_is_not_known_is_not_found_by_a_check(line: tuple[Line, Service]) -> None:
    with channel_to(line[1]) as channel, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="other"), timeout=SECONDS)

    assert caught.value.code() is Code.NOT_FOUND


def test_many_watch_on_connections_of_their_own_and_leave_as_the_state_changes(line: tuple[Line, Service]) -> None:
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for ready in (False, True):
                line[1].door.serve_model("other", ready)

    changing = threading.Thread(target=change)
    changing.start()
    with ExitStack() as stack:
        watches = [watch(stack.enter_context(channel_to(line[1])), "other") for _ in range(60)]
        for each in watches:
            assert {next(each).status for _ in range(3)} <= {SERVING, NOT_SERVING, SERVICE_UNKNOWN}
            each.cancel()  # type: ignore[attr-defined]  # the stubs lack it
        stop.set()
        changing.join(SECONDS)
        assert not changing.is_alive()
        with channel_to(line[1]) as channel:
            assert next(watch(channel, "numbers")).status == NOT_SERVING


def test_a_watcher_who_takes_nothing_stops_nobody(line: tuple[Line, Service]) -> None:
    deaf = Connection(line[1].door.port, send_preface=False)
    deaf.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)))
    deaf.call(header_block(WATCH), grpc_message(health_pb2.HealthCheckRequest().SerializeToString()))
    with channel_to(line[1]) as channel:
        hears = watch(channel)
        assert next(hears).status == NOT_SERVING
        line[0].deploy(DOUBLE)
        assert next(hears).status == SERVING
        wait_until_sure(line[1], 1)
    deaf.close()


def test_a_stop_tells_whoever_watches_and_does_not_wait_for_them_to_leave(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with ExitStack() as stack, running(tmp_path, log, store, grace="60s") as service:
        wait_until_sure(service, 1)
        watching = watch(stack.enter_context(channel_to(service)))
        assert next(watching).status == SERVING
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        assert next(watching).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            next(watching)
        stopping.join(SECONDS)
        assert not stopping.is_alive()

    assert caught.value.code() is Code.UNAVAILABLE


def test_there_are_only_so_many_watchers_and_room_again_once_they_leave(line: tuple[Line, Service]) -> None:
    headers, message = header_block(WATCH), grpc_message(health_pb2.HealthCheckRequest().SerializeToString())
    refused: list[Event] = []
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(Connection(line[1].door.port))) for _ in range(CONNECTIONS)]
        for connection in connections:
            for _ in range(MOST_WATCHERS // CONNECTIONS + TOO_MANY):
                connection.call(headers, message)

        def all_refused() -> bool:
            for connection in connections:
                refused.extend(connection.receive(0.01))
            return len(refused) == CONNECTIONS * TOO_MANY

        until(all_refused, SECONDS, "those that are too many to be refused")
        assert {event.code for event in refused} == {RESOURCE_EXHAUSTED}
    with channel_to(line[1]) as channel:
        until(lambda: has_room(channel), SECONDS, "room")


def has_room(channel: grpc.Channel) -> bool:
    try:
        return bool(next(watch(channel)).status == NOT_SERVING)
    except grpc.RpcError:
        return False
