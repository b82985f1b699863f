"""Prepares models in children: the process that serves downloads, hashes, parses and tries nothing. preparing.py runs there.

A child is started when there is work, answers one request after the other, and is let go once nothing came for a while: at rest
nothing of it is in memory. What ends a child ends the one load that it worked on.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pushline.predictor.errors import LoadPostponed, LoadRefused
from pushline.predictor.prepared import ModelFiles, Prepared

MODULE = "pushline.predictor.preparing"
LONGEST_SECONDS = 1800.0  # a child gives way to everybody, so it may take long
PREPARE_CPU_SECONDS, TRY_CPU_SECONDS = 600.0, 30.0
SPARE_SECONDS = 5.0  # by which the parent waits longer than the child allows itself
IDLE_SECONDS = 30.0
PATIENCE_SECONDS = 1.0  # with one that is about to end
CRASHES = frozenset((signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))


class Ended(Exception):
    """The child is no more; `by` is its exit code, below 0 for the signal that ended it."""

    def __init__(self, by: int) -> None:
        super().__init__(by)
        self.by = by

    @property
    def how(self) -> str:
        if self.by == -signal.SIGALRM:
            return "it took too long"
        return signal.Signals(-self.by).name if self.by < 0 else f"exit code {self.by}"


class Preparer:
    """Implements Prepare. `told` is what a child works with, as preparing.py reads it."""

    def __init__(
        self, told: Mapping[str, Any], idle_seconds: float = IDLE_SECONDS, try_cpu_seconds: float = TRY_CPU_SECONDS
    ) -> None:
        self._told, self._idle_seconds, self._try_cpu_seconds = dict(told), idle_seconds, try_cpu_seconds
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._let_go: list[Child] = []  # and perhaps not gone yet: nobody waits for them
        self._closed = False
        self._lock = threading.Lock()

    def prepare(self, wanted: ModelFiles) -> Prepared:
        try:
            done = self._ask("prepare", wanted.plain, PREPARE_CPU_SECONDS)
        except Ended as ended:
            raise LoadPostponed("preparation", f"the process that prepares models ended ({ended.how})") from None
        return Prepared.read(done)

    def try_out(self, prepared: Prepared) -> None:
        try:
            self._ask("try_out", prepared.plain, self._try_cpu_seconds)
        except Ended as ended:
            if -ended.by == signal.SIGPROF:
                sentence = f"the serving program did not answer within {self._try_cpu_seconds:g} s of processor time"
                raise LoadRefused("warm_up", sentence) from None
            if -ended.by in CRASHES:
                sentence = f"the serving program ended the process that tried it ({ended.how})"
                raise LoadRefused("program_crashed", sentence) from None
            raise LoadPostponed("preparation", f"the process that tried the serving program ended ({ended.how})") from None

    def rest(self) -> None:
        """Let children go that have had nothing to do."""
        with self._lock:
            over = [child for child in self._idle if time.monotonic() - child.idle_since >= self._idle_seconds]
            self._idle = [child for child in self._idle if child not in over]
            gone = [child for child in self._let_go if child.is_gone]
            self._let_go = [child for child in self._let_go if child not in gone] + over
        for child in gone:
            child.wait()
        for child in over:
            child.let_go()

    def close(self) -> None:
        with self._lock:
            self._closed, children = True, [*self._idle, *self._busy, *self._let_go]
            self._idle = []
        for child in children:
            child.let_go()
        for child in children:
            child.wait()

    @property
    def pids(self) -> list[int]:
        with self._lock:
            return [child.pid for child in (*self._idle, *self._busy)]

    def _ask(self, what: str, of: object, cpu_seconds: float) -> Any:  # noqa: ANN401 - any JSON
        """Raises LoadError, Ended."""
        child = self._taken()
        try:
            request = {"what": what, "of": of, "seconds": LONGEST_SECONDS, "cpu_seconds": cpu_seconds}
            answer = child.ask(request, LONGEST_SECONDS + SPARE_SECONDS)
        except Ended:
            with self._lock:
                self._busy.discard(child)
            raise
        child.idle_since = time.monotonic()
        with self._lock:
            self._busy.discard(child)
            self._idle.append(child)
        if "done" not in answer:
            kind, (reason, sentence) = next(iter(answer.items()))
            raise (LoadRefused if kind == "refused" else LoadPostponed)(reason, sentence)
        return answer["done"]

    def _taken(self) -> "Child":
        """Raises LoadPostponed."""
        with self._lock:
            if self._closed:
                raise LoadPostponed("preparation", "this replica is stopping")
            child = next((each for each in reversed(self._idle) if not each.is_gone), None)
            self._idle = [each for each in self._idle if each is not child and not each.is_gone]
        try:
            child = child or Child(self._told)
        except OSError as error:
            raise LoadPostponed("preparation", f"no process can be started that prepares it: {error.strerror or error}") from error
        with self._lock:
            self._busy.add(child)
        return child


class Child:
    """One process. It has a group of its own, so that a terminal's Ctrl-C does not reach it, and ends when its socket closes."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Raises OSError."""
        self.idle_since = time.monotonic()
        self._connection, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE], stdin=theirs.fileno(), stdout=subprocess.DEVNULL, process_group=0
            )
        except OSError:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._answers = self._connection.makefile("rb")
        self._first = json.dumps(told).encode() + b"\n"  # goes out with the first request

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: object, seconds: float) -> dict[str, Any]:
        """Give its answer. Raises Ended; then there is no such process any more."""
        try:
            self._connection.settimeout(seconds)
            first, self._first = self._first, b""
            self._connection.sendall(first + json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._answers.readline())
        except (OSError, ValueError):
            raise Ended(self.wait()) from None
        return answer

    @property
    def is_gone(self) -> bool:
        return self._process.poll() is not None

    def let_go(self) -> None:
        """Waits for nothing. Whoever asks at the moment is told that it ended."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._process.kill()

    def wait(self) -> int:
        """Give its exit code: what it ended by by itself, where it does so within a moment."""
        try:
            code = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.let_go()
            code = self._process.wait()
        self._answers.close()
        self._connection.close()
        return code
