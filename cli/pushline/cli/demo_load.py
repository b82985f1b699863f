"""A running load of predictions: some threads that ask at a steady pace and note every answer."""

import itertools
import threading
import time
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from pushline.cli.demo_figures import Shot
from pushline.client import Client, PredictionFailed

THREADS, PER_SECOND = 3, 120.0


class Load:
    """Asks from `with` on to its end. `rows` are asked in turn, one a request."""

    def __init__(self, address: str, model: str, rows: npt.NDArray[Any]) -> None:
        self._client = Client(address, retry=False)  # a failure is to be seen, not mended
        self._model, self._rows = model, rows
        self._shots: list[Shot] = []  # appending is atomic
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(number,), daemon=True) for number in range(THREADS)]

    @property
    def shots(self) -> list[Shot]:
        return list(self._shots)

    def answered_by(self, commit: str) -> int:
        return sum(shot.commit == commit for shot in self.shots)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
        self._client.close()

    def _ask_on(self, number: int) -> None:
        """Keep the pace by the clock, but never ask faster to make up for a slow answer."""
        step = THREADS / PER_SECOND
        due = time.monotonic() + step * number / THREADS
        for index in itertools.count(number, THREADS):
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self._shots.append(self._ask(index % len(self._rows)))
            due = max(due + step, time.monotonic())

    def _ask(self, index: int) -> Shot:
        sent = time.monotonic()
        try:
            answer = self._client.predict(self._rows[index : index + 1], self._model)
        except PredictionFailed as error:
            return Shot(sent, time.monotonic(), "", "", f"{error.code}: {error.sentence}")
        return Shot(sent, time.monotonic(), answer.digest, answer.commit, "")
