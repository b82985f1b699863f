"""What comes out of a sandbox through pipes, each bounded: output, progress, files. All of it is data from a stranger."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pushline.trainer.sandbox.box import Received

CHUNK = 64 * 1024
LOG_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 8 * 1024
LINE_BYTES = 16 * 1024
HEADER_BYTES = 64 * 1024
LINES_A_SECOND = 200
MAX_FILES = 32
DROPPED = b"\n[further output is dropped: the limit of 8 MiB is reached]\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)")


@dataclass
class LogPump:
    """Passes output on up to a limit, reads on beyond it so that the writer never blocks, and keeps the end."""

    pass_on: Callable[[bytes], None]
    passed: int = 0
    end: bytes = b""

    def drain(self, pipe: IO[bytes]) -> None:
        while chunk := _read_some(pipe):
            self.end = (self.end + chunk)[-TAIL_BYTES:]
            if self.passed < LOG_BYTES:
                kept = chunk[: LOG_BYTES - self.passed]
                self.passed += len(chunk)
                self.pass_on(kept if self.passed < LOG_BYTES else kept + DROPPED)

    def tail(self, lines: int = 20) -> str:
        whole = printable(self.end.decode("utf-8", "replace"))
        return "\n".join([line.rstrip() for line in whole.splitlines() if line.strip()][-lines:])


def printable(text: str) -> str:
    """Take colours out and escape control characters; a carriage return and a line feed begin a new line."""
    plain = _CONTROL_SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\b", "")
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in plain)


@dataclass
class ProgressPump:
    """Passes on lines that are JSON objects; what is too long, too fast or anything else is dropped."""

    pass_on: Callable[[Mapping[str, Any]], None]
    window: float = 0.0
    count: int = 0

    def drain(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(LINE_BYTES):
            if line.endswith(b"\n") and self._has_room():
                self._read(line)

    def _has_room(self) -> bool:
        now = time.monotonic()
        if now - self.window >= 1:
            self.window, self.count = now, 0
        self.count += 1
        return self.count <= LINES_A_SECOND

    def _read(self, line: bytes) -> None:
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(words, dict):
            self.pass_on(words)


@dataclass
class ResultPump:
    """Receives what the supervisor sends: whether it is there, how the launcher ended, and the files."""

    folder: Path
    max_file_bytes: int
    max_total_bytes: int
    on_ready: Callable[[], None]
    is_ready: bool = False
    is_done: bool = False  # the launcher ended and the supervisor said how
    is_complete: bool = False
    words: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Received] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    trouble: OSError | None = None  # ours: a file could not be written here, so nothing is known of the run

    def drain(self, pipe: IO[bytes]) -> None:
        if _words(pipe).get("ready") is not True:
            return
        self.is_ready = True
        self.on_ready()
        self.words = _words(pipe)
        self.is_done = bool(self.words)
        listed = self.words.get("files")
        self.is_complete = self.is_done and isinstance(listed, list) and all(self._receive(pipe, item) for item in listed)

    def _receive(self, pipe: IO[bytes], item: object) -> bool:
        """Take one file. Says False where the rest of the stream makes no sense any more."""
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            return False
        name, size = item["name"], item.get("size")
        if isinstance(item.get("refused"), str):
            self.refused[printable(name)[:64]] = printable(item["refused"])[:200]
            return True
        if type(size) is not int or size < 0:
            return False
        problem = self._problem(name, size)
        if problem:
            self.refused[printable(name)[:64]] = problem
        return _copy(pipe, None, size) if problem else self._keep(pipe, name, size)

    def _problem(self, name: str, size: int) -> str:
        if not _NAME.fullmatch(name) or name in self.files:
            return "has a name that is not allowed"
        if size > self.max_file_bytes:
            return f"has {size} bytes; the limit is {self.max_file_bytes}"
        if len(self.files) >= MAX_FILES or size + sum(file.size for file in self.files.values()) > self.max_total_bytes:
            return f"is one too many: at most {MAX_FILES} files with {self.max_total_bytes} bytes in all"
        return ""

    def _keep(self, pipe: IO[bytes], name: str, size: int) -> bool:
        path, digest = self.folder / name, hashlib.sha256()
        try:
            with path.open("xb") as file:
                path.chmod(0o600)
                whole = _copy(pipe, _into(file, digest), size)
        except OSError as error:
            self.trouble = error
            return False
        self.files[name] = Received(name, path, digest.hexdigest(), size)
        return whole


def _copy(pipe: IO[bytes], sink: Callable[[bytes], object] | None, size: int) -> bool:
    left = size
    while left:
        chunk = pipe.read(min(left, CHUNK))
        if not chunk:
            return False
        if sink is not None:
            sink(chunk)
        left -= len(chunk)
    return True


def _into(file: IO[bytes], digest: "hashlib._Hash") -> Callable[[bytes], None]:
    def take(chunk: bytes) -> None:
        file.write(chunk)
        digest.update(chunk)

    return take


def _words(pipe: IO[bytes]) -> dict[str, Any]:
    try:
        words = json.loads(pipe.readline(HEADER_BYTES) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return words if isinstance(words, dict) else {}


def _read_some(pipe: IO[bytes]) -> bytes:
    return pipe.read1(CHUNK)  # type: ignore[attr-defined,no-any-return]  # every pipe here is buffered
