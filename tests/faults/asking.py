"""Asking a predictor of a line: once, until it serves a record, or all the time."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from pushline.client import Answer, Client, PredictionFailed
from pushline.line.events import ModelDeployed
from tests.faults.repositories import X
from tests.faults.services import Service
from tests.waiting import until


def times(factor: float) -> list[list[float]]:
    return [[factor * x for x in X[0][:3]]]


def ask(service: Service, model: str) -> Answer | None:
    with Client(f"127.0.0.1:{service.child.ports['grpc']}") as client, suppress(PredictionFailed):
        return client.predict(X, model=model)
    return None


def serves(service: Service, event: ModelDeployed, seconds: float = 30) -> Answer:
    """Wait until it is sure to serve this record."""

    def found() -> Answer | None:
        answer = ask(service, event.model)
        return answer if answer is not None and answer.deploy_seq == event.deploy_seq and not answer.stale else None

    return until(found, seconds, f"deploy_seq {event.deploy_seq} of {event.model}")


class Said(NamedTuple):
    at: float  # of time.perf_counter
    replica: int
    deploy_seq: int
    y: list[list[float]]


@dataclass
class Load:
    """Asks until it is stopped; each thread over one connection, with a rest after each answer."""

    rest_seconds: float = 0.0
    answers: list[Said] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, replica: int, address: str, model: str) -> None:
        newest = 0
        with Client(address) as client:
            while not self.stop.wait(self.rest_seconds):
                try:
                    answer = client.predict(X, model=model)
                except PredictionFailed as error:
                    self.failures.append(f"{error.code} {error.sentence}")
                    continue
                if answer.deploy_seq < newest:
                    self.failures.append(f"deploy_seq went back from {newest} to {answer.deploy_seq}")
                newest = answer.deploy_seq
                self.answers.append(Said(time.perf_counter(), replica, answer.deploy_seq, answer.y.tolist()))

    def wrong(self, factors: Mapping[int, float]) -> list[Said]:
        """Give the answers whose numbers are not those of the model they name. `factors` by deploy_seq."""
        return [said for said in self.answers if said.y != times(factors[said.deploy_seq])]


@contextmanager
def under_load(services: Sequence[Service], model: str, connections: int, rest_seconds: float = 0.0) -> Iterator[Load]:
    """Ask each of these all the time, over so many connections."""
    load = Load(rest_seconds)
    asking = [
        threading.Thread(target=load.ask, args=(number, f"127.0.0.1:{service.child.ports['grpc']}", model))
        for number, service in enumerate(services)
        for _ in range(connections)
    ]
    for thread in asking:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in asking:
            thread.join()
