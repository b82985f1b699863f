"""A load with a schedule, as a process of its own.

    python -m benchmarks.reloading.generator PORT MODEL CONNECTIONS

It reads commands from its input, a line each, and answers each with a line:

    closed SECONDS IN_FLIGHT    keep so many calls under way; answers with the calls that were answered a second
    open RATE FILE              call at this rate until `stop`, whatever becomes of the calls; the samples go into FILE
    end

While it calls, it says `new NUMBER SECONDS CONNECTION PAYLOAD` of each payload that it has not seen before. Times are those of
time.perf_counter, which all processes of a machine share on Linux. Every call has its time by a schedule that never waits for an
answer, and latency counts from then: what a late call suffers is told. It asks for real-time priority, so that what shares its core
(broker, store) makes no call late; without that right it says so and goes on.
"""

import gc
import math
import os
import select
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.reloading.calls import NONE_CAME, Caller, Ended
from open_inference import open_inference_grpc_pb2 as oip

ROW = 784
PRIORITY = 10
LAST_ANSWERS_SECONDS = 10.0
SOON = 0.02


def row() -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Give the one row that is asked again and again."""
    return np.random.default_rng(1).random((1, ROW), np.float32)


def request(model: str) -> bytes:
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, ROW])
    asked = oip.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[row().astype("<f4").tobytes()])
    return asked.SerializeToString()


@dataclass
class Payloads:
    """Answers' bytes by number; few differ."""

    numbers: dict[bytes, int] = field(default_factory=dict)

    def number(self, payload: bytes, now: float, connection: int) -> int:
        found = self.numbers.get(payload)
        if found is None:
            found = self.numbers[payload] = len(self.numbers)
            say(f"new {found} {now!r} {connection} {payload.hex()}")
        return found


@dataclass
class Samples:
    """One entry a call, in the order of the schedule; `order` has the calls' numbers in the order of their ends."""

    sent: "array[float]" = field(default_factory=lambda: array("d"))
    answered: "array[float]" = field(default_factory=lambda: array("d"))
    status: "array[int]" = field(default_factory=lambda: array("B"))
    payload: "array[int]" = field(default_factory=lambda: array("H"))
    order: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, sent: float) -> int:
        self.sent.append(sent)
        self.answered.append(math.nan)
        self.status.append(NONE_CAME)
        self.payload.append(0)
        return len(self.sent) - 1

    def end(self, ended: Ended, now: float, payload: int) -> None:
        self.answered[ended.number], self.status[ended.number], self.payload[ended.number] = now, ended.status, payload
        self.order.append(ended.number)


class Generator:
    def __init__(self, port: int, model: str, connections: int) -> None:
        message = request(model)
        self._callers = [Caller(port, message) for _ in range(connections)]
        self._places = {caller.socket.fileno(): number for number, caller in enumerate(self._callers)}
        self._payloads = Payloads()

    def closed(self, seconds: float, in_flight: int) -> float:
        samples, began = Samples(), time.perf_counter()

        def again(_ended: Ended, connection: int) -> None:
            if time.perf_counter() - began < seconds:
                self._callers[connection].call(samples.add(time.perf_counter()))

        for number in range(in_flight):
            again(Ended(0, 0, b""), number % len(self._callers))
        while any(caller.under_way for caller in self._callers):
            self._receive(samples, SOON, again)
            assert time.perf_counter() - began < seconds + LAST_ANSWERS_SECONDS, "answers do not come"
        assert not any(samples.status), "calls failed"
        return len(samples.sent) / (time.perf_counter() - began)

    def open(self, rate: float, file: Path) -> None:
        samples, count, stopped = Samples(), len(self._callers), False
        began = time.perf_counter() + SOON
        while not stopped:
            while (now := time.perf_counter()) >= began + len(samples.sent) / rate:
                number = samples.add(now)
                self._callers[number % count].call(number)
            pause = max(0.0, began + len(samples.sent) / rate - time.perf_counter())
            stopped = self._receive(samples, pause)
        until = time.perf_counter() + LAST_ANSWERS_SECONDS
        while any(caller.under_way for caller in self._callers) and time.perf_counter() < until:
            self._receive(samples, SOON, ignore_input=True)
        self._save(samples, began, rate, file)

    def _receive(
        self,
        samples: Samples,
        pause: float,
        then: Callable[[Ended, int], None] | None = None,
        *,
        ignore_input: bool = False,
    ) -> bool:
        """Take what comes within the pause. Says whether a command has come."""
        commands = [] if ignore_input or then else [sys.stdin.fileno()]
        ready, _, _ = select.select([*self._places, *commands], [], [], pause)
        for place in ready:
            if place in commands:
                return True
            connection = self._places[place]
            ended = self._callers[connection].receive()
            now = time.perf_counter()
            for each in ended:
                samples.end(each, now, self._payloads.number(each.payload, now, connection))
                if then is not None:
                    then(each, connection)
            if self._callers[connection].is_closed:
                del self._places[place]
        return False

    def _save(self, samples: Samples, began: float, rate: float, file: Path) -> None:
        payloads = np.array([each.hex() for each in self._payloads.numbers])
        count = len(samples.sent)
        np.savez(
            file,
            due=began + np.arange(count) / rate,
            sent=np.array(samples.sent),
            answered=np.array(samples.answered),
            status=np.array(samples.status),
            payload=np.array(samples.payload),
            order=np.array(samples.order),
            payloads=payloads,
            connections=np.array(len(self._callers)),
        )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def first_on_this_core() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


def main() -> None:
    generator = Generator(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    gc.disable()  # what is made here has no cycles
    say(f"ready {'real-time' if first_on_this_core() else 'usual'}")
    while (words := sys.stdin.readline().split()) and words[0] != "end":
        if words[0] == "closed":
            say(f"closed {generator.closed(float(words[1]), int(words[2]))!r}")
        elif words[0] == "open":
            generator.open(float(words[1]), Path(words[2]))
            assert sys.stdin.readline().strip() == "stop"
            say("stopped")


if __name__ == "__main__":
    main()
