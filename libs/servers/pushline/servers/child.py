"""A server in a process of its own: it says on its first line of output where it listens, and ends when its input does.

The input ends when the parent closes it or dies in any way, so no server outlives the process that started it. A session of its own
keeps a terminal's Ctrl-C from it: the parent stops it last.
"""

import json
import select
import subprocess
import sys
from typing import IO, Any, Self

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 5.0


class ServerNotStarted(Exception):
    """The child ended, or was silent for too long; its own words are on standard error."""


class ServerProcess:
    """Runs `python -m <module> <arguments>`. A context manager; start and stop may be called instead."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.said: dict[str, str] = {}

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerNotStarted(f"{self._command[2]} is not running")
        return self._process.pid

    def start(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            self.said = self._first_line(self._process.stdout)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _first_line(self, output: IO[bytes] | None) -> dict[str, str]:
        readable = output is not None and select.select([output], [], [], START_TIMEOUT_SECONDS)[0]
        line = output.readline() if output is not None and readable else b""
        if not line:
            raise ServerNotStarted(f"{self._command[2]} did not say where it listens")
        said: dict[str, str] = json.loads(line)
        return said


def say_and_wait(**said: Any) -> None:  # noqa: ANN401 - anything that JSON holds
    """Tell the parent, in the child; return when the parent is gone or wants the end."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
