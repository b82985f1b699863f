"""A client that asks at a steady rate, whether or not the answers before have come (open loop), and what it was told."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

from pushline.client import Client, PredictionFailed
from tests.faults.asking import times
from tests.faults.evidence import at
from tests.faults.repositories import X

WAITING = 64  # calls that may be under way at once


class Told(NamedTuple):
    model: str
    digest: str
    deploy_seq: int
    y: list[list[float]]
    seconds: float  # since it was due


@dataclass
class Steady:
    answers: list[Told] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ask(self, client: Client, model: str, due: float) -> None:
        try:
            answer = client.predict(X, model=model)
        except PredictionFailed as error:
            self.failures.append(f"{error.code} {error.sentence}")
            return
        self.answers.append(Told(model, answer.digest, answer.deploy_seq, answer.y.tolist(), time.perf_counter() - due))

    def wrong(self, factors: Mapping[str, float]) -> list[Told]:
        """Give the answers of a model that was never deployed, and those whose numbers are not that model's. By digest."""
        return [told for told in self.answers if told.digest not in factors or told.y != times(factors[told.digest])]

    @property
    def p99_ms(self) -> float:
        return round(1000 * at(sorted(told.seconds for told in self.answers), 0.99), 1)


@contextmanager
def asked_steadily(address: str, models: Sequence[str], a_second: float) -> Iterator[Steady]:
    """Ask for each model in turn, so many times a second in all; each call once, without the client's own second tries."""
    steady, stop = Steady(), threading.Event()

    def ask() -> None:
        began = time.perf_counter()
        with Client(address, retry=False) as client, ThreadPoolExecutor(WAITING) as pool:
            for number, model in enumerate(cycle(models)):
                due = began + number / a_second
                if stop.wait(max(0.0, due - time.perf_counter())):
                    return
                pool.submit(steady.ask, client, model, due)

    asking = threading.Thread(target=ask, name="steady")
    asking.start()
    try:
        yield steady
    finally:
        stop.set()
        asking.join()
