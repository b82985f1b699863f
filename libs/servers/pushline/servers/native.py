"""A server that is a program of its own: started, stopped, killed and started again on the same folder and ports.

It ends with the process that started it, however that ends; and with the thread: start it in one that lives as long as it shall.
"""

import json
import os
import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from pushline.runtime.bound import bound
from pushline.servers.child import ServerNotStarted

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 0.05
# Below the ports that a machine gives to those who call: one of these would not be free when the server comes back.
PORTS = range(15_000, 32_000)
WORDS_SHOWN = 2_000


class NativeServer(ABC):
    """A context manager; start and stop may be called instead. Everything it keeps lies in `folder`."""

    name: str
    port_names: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerNotStarted(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> Self:
        """Raises ServerNotStarted with the server's own last words."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start without waiting, so that two servers can start side by side; wait_ready is owed."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.ports:
            self.ports = free_ports(self.port_names, self.folder / "ports.json")
        self._spawn()

    def wait_ready(self) -> None:
        up = False
        try:
            up = self._comes_up()
        finally:
            if not up:
                how = self._how_it_ended()
                self.kill()
        if not up:
            raise ServerNotStarted(f"{self.name} {how}; its log is {self.log}:\n{self.last_words()}")

    def stop(self) -> None:
        """Ask it to end, and kill it where it does not in time."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_SECONDS)
        self.kill()

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name.lower()}.log"

    def last_words(self) -> str:
        with suppress(OSError):
            return self.log.read_text(errors="replace")[-WORDS_SHOWN:].strip()
        return ""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Write what the program reads, and give its command line; its working folder is `folder`."""

    @abstractmethod
    def environ(self) -> Mapping[str, str]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it serves; called again and again once its first port accepts. Raises nothing."""

    def _spawn(self) -> None:
        command = [str(word) for word in self.command()]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                bound(command, signal.SIGKILL),
                cwd=self.folder,
                env=dict(self.environ()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is not for it: the parent stops it last
            )

    def _comes_up(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            if accepts(self.ports[self.port_names[0]]) and self.answers():
                return True
            time.sleep(LOOK_AGAIN_SECONDS)
        return False

    def _how_it_ended(self) -> str:
        code = self._process.poll() if self._process is not None else None
        return f"did not answer within {START_TIMEOUT_SECONDS:g} s" if code is None else f"ended with exit code {code}"


def free_ports(names: Sequence[str], kept: Path) -> dict[str, int]:
    """Give the ports that were kept there, where they are free, else others, and keep those."""
    ports: dict[str, int] = {}
    with suppress(OSError, ValueError, KeyError):
        told = json.loads(kept.read_text())
        ports = {name: int(told[name]) for name in names}
    if not ports or not all(_free(port) for port in ports.values()):
        chosen = (port for port in random.sample(PORTS, len(PORTS)) if _free(port))
        ports = {name: next(chosen) for name in names}
        kept.write_text(json.dumps(ports))
    return ports


def accepts(port: int) -> bool:
    with closing(socket.socket()) as calling:
        calling.settimeout(1.0)
        return calling.connect_ex((LOOPBACK, port)) == 0


def private_file(path: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _free(port: int) -> bool:
    with closing(socket.socket()) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
