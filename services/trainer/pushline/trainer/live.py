"""What a training shows of itself while it runs: progress.json and log.txt of its try, rewritten when they changed.

Informs and decides nothing; a store that is away never holds a training up. The counter rises even while nothing happens, so that
another replica can tell a slow training from a dead one.
"""

import codecs
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pushline.objects.store import StoreError
from pushline.trainer.launch_result import finite
from pushline.trainer.sandbox.streams import printable
from pushline.trainer.tries import HISTORY, LOG, PROGRESS, Try

EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
LOG_BYTES_A_SECOND = 1024 * 1024  # a long log is rewritten less often
MAX_LINE = 8 * 1024
MAX_OUTPUT = 4 * 1024 * 1024  # characters of one step's output, as shown
CUT = "[pushline] what it says further is left out: the log takes 4 MiB of a step\n"
MAX_METRICS, MAX_EPOCHS, MAX_COUNT = 32, 20_000, 10**9


class LiveTraining:
    """start(), then the on_ calls and say() from any thread, then finish() and join(), or both by close()."""

    def __init__(self, made: Try) -> None:
        self._try = made
        self._lock = threading.Lock()
        self._log = LogText()
        self._state: dict[str, Any] = {"schema": 1, "stage": "checkout", "epoch": 0, "epochs": 0, "metrics": {}}
        self._history: dict[str, list[float | None]] = {}
        self._counter = 0
        self._changed = True
        self._sent_log = -1
        self._next_log = 0.0
        self._next_heartbeat = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"live-{made.run_id[:8]}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stage(self, name: str) -> None:
        with self._lock:
            self._state["stage"] = name
            self._changed = True

    def say(self, line: str) -> None:
        """Add a line of our own to the log."""
        with self._lock:
            self._log.end_line()
            self._log.say(f"[pushline] {line}")

    def begin(self, stage: str) -> None:
        """Begin a step whose output has a place of its own in the log."""
        with self._lock:
            self._log.end_line()
            self._log.begin()
        self.stage(stage)

    def end(self, tail: str) -> None:
        """End a step. Of output that was cut the log gets the last lines."""
        with self._lock:
            self._log.end_line()
            if self._log.is_cut:
                self._log.say("[pushline] its last lines:\n" + tail)

    def on_log(self, data: bytes) -> None:
        with self._lock:
            self._log.feed(data)

    def on_progress(self, words: Mapping[str, Any]) -> None:
        with self._lock:
            self._note(words)
            self._changed = True

    def close(self, stage: str) -> None:
        """Write everything a last time. Blocks no longer than the store does."""
        self.finish(stage)
        self.join()

    def finish(self, stage: str) -> None:
        """Begin to write everything a last time."""
        self.stage(stage)
        self._closed.set()

    def join(self) -> None:
        """Return once that is written, or given up."""
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(EVERY_SECONDS):
            self._send(last=False)
        self._send(last=True)

    def _send(self, *, last: bool) -> None:
        now = time.monotonic()
        with self._lock:
            progress = self._progress_due(now, last=last)
            log = self._log_due(now, last=last)
            history = json.dumps(self._history).encode() if last and self._history else b""
        puts = [put for put in ((PROGRESS, progress), (LOG, log), (HISTORY, history)) if put[1]]
        with ThreadPoolExecutor(3) as pool:  # side by side: a store that stands still is waited for once
            list(pool.map(lambda put: self._put(*put), puts))

    def _put(self, name: str, data: bytes) -> None:
        with suppress(StoreError):
            self._try.put(name, data)

    def _progress_due(self, now: float, *, last: bool) -> bytes:
        if not (self._changed or last or now >= self._next_heartbeat):
            return b""
        self._counter += 1
        self._changed = False
        self._next_heartbeat = now + HEARTBEAT_SECONDS
        return json.dumps({**self._state, "counter": self._counter}, allow_nan=False).encode()

    def _log_due(self, now: float, *, last: bool) -> bytes:
        if last:
            self._log.end_line()
        if self._log.size == self._sent_log or (now < self._next_log and not last):
            return b""
        self._sent_log = self._log.size
        self._next_log = now + self._log.size / LOG_BYTES_A_SECOND
        return self._log.text.encode()

    def _note(self, words: Mapping[str, Any]) -> None:
        match words.get("event"):
            case "fit":
                self._state.update(stage="training", epoch=0, epochs=_count(words.get("epochs")))
            case "epoch":
                metrics = _metrics(words.get("metrics"))
                self._state.update(stage="training", epoch=_count(words.get("epoch")), metrics=metrics)
                self._state["epochs"] = _count(words.get("epochs")) or self._state["epochs"]
                for name, value in metrics.items():
                    self._remember(name, value)
            case "evaluate":
                self._state.update(stage="evaluating", evaluated=_metrics(words.get("metrics")))
            case "export":
                self._state.update(stage="exporting")

    def _remember(self, name: str, value: float | None) -> None:
        if len(self._history) < MAX_METRICS or name in self._history:
            values = self._history.setdefault(name, [])
            if len(values) < MAX_EPOCHS:
                values.append(value)


class LogText:
    """Output as text that a terminal can be shown: whole lines, control characters escaped, so much of each step."""

    def __init__(self, max_output: int = MAX_OUTPUT) -> None:
        self._parts: list[str] = []
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._max_output = max_output
        self._output = 0
        self.size = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def is_cut(self) -> bool:
        return self._output > self._max_output

    def begin(self) -> None:
        self._output = 0

    def say(self, text: str) -> None:
        """Add lines of our own, whatever was cut."""
        self._add("".join(f"{printable(line)}\n" for line in text.splitlines()))

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._show(line)
        while len(self._rest) > MAX_LINE:
            self._show(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]

    def end_line(self) -> None:
        if self._rest:
            self._show(self._rest)
            self._rest = ""

    def _show(self, line: str) -> None:
        before, part = self._output, printable(line.rstrip("\r")) + "\n"
        self._output += len(part)
        if before <= self._max_output:
            self._add(part if self._output <= self._max_output else CUT)

    def _add(self, part: str) -> None:
        self._parts.append(part)
        self.size += len(part)


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0


def _metrics(values: object) -> dict[str, float | None]:
    if not isinstance(values, dict):
        return {}
    return {printable(str(name))[:100]: finite(value) for name, value in list(values.items())[:MAX_METRICS]}
