"""Keeps the services of a line running as child processes: starts, restarts with back-off, stops, leaves nothing behind.

Used by one thread, the one that lives as long as the line: a child is bound to the thread that started it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.line.patience import SERVICE_PROCESS
from pushline.runtime.bound import bound

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = SERVICE_PROCESS.first_seconds, SERVICE_PROCESS.longest_seconds
STEADY_SECONDS = 30.0  # a child that ran this long starts afresh with the shortest wait
LOG_LINES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    ports_file: Path
    log: Path


class Child:
    """One service: its process, and when it may be started again."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._wait = FIRST_WAIT_SECONDS
        self._due = 0.0
        self._ports: dict[str, int] = {}

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def ports(self) -> dict[str, int]:
        """What it listens on, as soon as it said so; a restart asks for the same ones."""
        if not self._ports:
            try:
                self._ports = {str(name): int(port) for name, port in json.loads(self.service.ports_file.read_text()).items()}
            except (FileNotFoundError, ValueError):
                return {}
        return self._ports

    def start(self) -> None:
        fixed = {f"PUSHLINE_{name.upper()}_PORT": str(port) for name, port in self._ports.items()}
        command = bound(self.service.command)
        with self.service.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**self.service.environ, **fixed}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        self._started = time.monotonic()

    def tend(self) -> str:
        """Start it again when it died and its wait is over; give a sentence when it has just died."""
        if not self.ended:
            return ""
        now = time.monotonic()
        if self._due == 0.0:
            if now - self._started > STEADY_SECONDS:
                self._wait = FIRST_WAIT_SECONDS
            self._due, wait, self._wait = now + self._wait, self._wait, min(self._wait * 2, LONGEST_WAIT_SECONDS)
            return f"{self.service.name} {self.how_it_ended()}; it starts again in {wait:g} s"
        if now >= self._due:
            self._due = 0.0
            self.restarts += 1
            self.start()
        return ""

    def how_it_ended(self) -> str:
        code = self._process.returncode if self._process else None
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def last_words(self) -> str:
        try:
            lines = self.service.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line[:500] for line in lines[-LOG_LINES_SHOWN:])

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """What the service itself may have left is in its group."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True


class Supervisor:
    def __init__(self, services: Sequence[Service], tell: Callable[[str], None]) -> None:
        self.children = [Child(service) for service in services]
        self._tell = tell

    def start(self) -> None:
        for child in self.children:
            child.start()

    def wait_listening(self, timeout_seconds: float, stopped: Callable[[float], bool]) -> dict[str, dict[str, int]]:
        """Give every service's ports. `stopped(seconds)` waits that long and says whether to give up. Raises Said."""
        deadline = time.monotonic() + timeout_seconds
        while silent := [child for child in self.children if not child.ports]:
            for child in self.children:
                if child.ended:
                    raise Said(
                        f"The {child.service.name} {child.how_it_ended()} while starting:\n{child.last_words()}", Exit.FAILED
                    )
            if time.monotonic() > deadline:
                names = ", ".join(child.service.name for child in silent)
                raise Said(
                    f"Not listening after {timeout_seconds:g} s: {names}. Logs: {silent[0].service.log.parent}.", Exit.FAILED
                )
            if stopped(0.05):
                return {}
        return {child.service.name: child.ports for child in self.children}

    def tend(self) -> None:
        for child in self.children:
            if sentence := child.tend():
                self._tell(sentence)

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM to all, SIGKILL to whole groups that are not gone in time."""
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + grace_seconds
        for child in self.children:
            if not child.wait(deadline - time.monotonic()):
                self._tell(f"{child.service.name} did not stop within {grace_seconds:g} s and was killed")
            child.kill_group()
            child.wait(5.0)
