"""Threads that ask a predictor all the time while faults are dealt: over gRPC, at a pace, each answer noted for the invariants."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pushline.client import Client, PredictionFailed
from tests.faults.invariants import Answered
from tests.faults.repositories import X
from tests.faults.services import Service

CALL_SECONDS = 20.0
MEASURED_SECONDS = 2.0
RECONNECT_SECONDS = 10.0  # gRPC's client waits before it connects again, and fails calls meanwhile without asking anybody


@dataclass
class Asker:
    """One connection to one predictor, which asks for its models in turn. Answers that say the same are noted once."""

    name: str
    service: Service
    models: Sequence[str]
    calls_a_second: float
    excused: threading.Event  # set while the predictor is being killed or frozen
    answers: list[Answered] = field(default_factory=list)
    calls: int = 0
    failures: int = 0
    _lost: float | None = None  # since when this connection was broken by a fault, until its next answer

    def ask(self, stop: threading.Event) -> None:
        began = time.monotonic()
        with Client(f"127.0.0.1:{self.service.child.ports['grpc']}", CALL_SECONDS) as client:
            while not stop.wait(max(0.0, began + self.calls / self.calls_a_second - time.monotonic())):
                self._note(self._one(client, self.models[self.calls % len(self.models)]))
                self.calls += 1

    def _one(self, client: Client, model: str) -> Answered:
        excused, pid = self.excused.is_set(), self.service.pid
        try:
            answer = client.predict(X, model=model)
        except PredictionFailed as error:
            self.failures += 1
            gone = excused or self.excused.is_set() or self.service.pid != pid
            if gone:
                self._lost = time.monotonic()
            gone |= self._lost is not None and time.monotonic() - self._lost < RECONNECT_SECONDS and error.code == "UNAVAILABLE"
            return Answered(self._connection(pid), model, failure=f"{error.code} {error.sentence}", excused=gone)
        self._lost = None
        numbers = tuple(float(number) for number in answer.y[0])
        return Answered(self._connection(self.service.pid), model, answer.deploy_seq, answer.digest, numbers)

    def _connection(self, pid: int) -> str:
        """A process that was started again is another connection."""
        return f"{self.name} to {pid}"

    def _note(self, answered: Answered) -> None:
        newest = next((each for each in reversed(self.answers[-len(self.models) :]) if each.model == answered.model), None)
        if newest != answered:
            self.answers.append(answered)


@contextmanager
def asking(askers: Sequence[Asker]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=asker.ask, args=(stop,)) for asker in askers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def capacity(service: Service, models: Sequence[str], connections: int) -> float:
    """Measure how many calls a second so many connections get answered when each asks as fast as it can."""
    askers = [Asker("measuring", service, models, 1e9, threading.Event()) for _ in range(connections)]
    with asking(askers):
        threading.Event().wait(MEASURED_SECONDS)
    assert not any(asker.failures for asker in askers)
    return sum(asker.calls for asker in askers) / MEASURED_SECONDS
