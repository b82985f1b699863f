"""uv, the program that finds and installs packages: wheels alone, so that no package runs code of its own here.

Index, proxies and certificates come from the operator's environment and uv's own files; nothing of the repository reaches uv but
pins that were read strictly. It runs in the root folder, where no project of anybody's is found.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pushline.trainer.leased_cache import LeaseCancelled, size_of
from pushline.trainer.requirements_file import normalised

LOOK_SECONDS = 0.1
PASSED = ("PATH", "HOME", "LANG", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME")
PASSED_PREFIXES = ("UV_",)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
ALWAYS = ("--no-progress", "--color", "never")
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_LIST = re.compile(r"^\[.*\]$", re.MULTILINE)
_ADDED = re.compile(r"^ \+ ([A-Za-z0-9._-]+)==([^\s]+)", re.MULTILINE)
_MOST_OUTPUT = 64 * 1024


class UvFailed(Exception):
    """uv ended with an error; the message is what it said, without credentials."""


class UvStopped(Exception):
    """It took too long or wrote too much; `limit` says which: time, size."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class UvMissing(Exception):
    """There is no uv on this machine."""


@dataclass(frozen=True, slots=True)
class Bounds:
    seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Uv:
    """Every call works in a folder of its caller, raises UvFailed, UvStopped, UvMissing, LeaseCancelled."""

    python: Path  # of the training environment
    environment: Mapping[str, str] = field(repr=False)

    def installed(self, folder: Path, bounds: Bounds, cancelled: threading.Event) -> dict[str, str]:
        """Give name → version of what the training environment has."""
        words = ["pip", "list", "--format", "json", "--python", str(self.python)]
        listed = json.loads(_LIST.findall(self._run(words, folder, bounds, cancelled))[0])
        return {normalised(each["name"]): each["version"] for each in listed}

    def missing(self, asked: Path, fixed: Path, without: Path, bounds: Bounds, cancelled: threading.Event) -> tuple[str, ...]:
        """Give name==version of all that has to come beside the training environment; nothing is installed."""
        words = ["pip", "install", "--dry-run", "--break-system-packages", "--python", str(self.python), "--only-binary", ":all:"]
        words += ["--requirements", str(asked), "--constraints", str(fixed), "--overrides", str(without)]
        said = self._run(words, asked.parent, bounds, cancelled)
        return tuple(f"{normalised(name)}=={version}" for name, version in _ADDED.findall(said))

    def install(self, exact: Path, target: Path, bounds: Bounds, cancelled: threading.Event) -> None:
        words = ["pip", "install", "--python", str(self.python), "--only-binary", ":all:", "--no-deps", "--compile-bytecode"]
        words += ["--link-mode", "copy", "--requirements", str(exact), "--target", str(target)]
        self._run(words, exact.parent, bounds, cancelled)

    def _run(self, words: Sequence[str], folder: Path, bounds: Bounds, cancelled: threading.Event) -> str:
        command = [_program(), *words, *ALWAYS, "--cache-dir", str(folder / "downloads")]
        said = folder / "uv.txt"
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, "TMPDIR": str(folder)},
                cwd="/",
                start_new_session=True,
            )
            try:
                _watch(process, folder.parent, bounds, cancelled)
            finally:
                _end(process)
        text = _CREDENTIALS.sub("//", said.read_bytes()[: _MOST_OUTPUT * 16].decode("utf-8", "replace"))
        if process.returncode != 0:
            raise UvFailed(text[-_MOST_OUTPUT:])
        return text


def environment_for(environ: Mapping[str, str]) -> dict[str, str]:
    """Take what uv needs out of the operator's environment; none of the line's own secrets are in it."""
    return {name: value for name, value in environ.items() if _is_for_uv(name)}


def _is_for_uv(name: str) -> bool:
    return name in PASSED or name.startswith(PASSED_PREFIXES) or name.lower() in PROXIES


def _program() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise UvMissing("uv is not installed beside the trainer; install the package uv")
    return found


def _watch(process: subprocess.Popen[bytes], folder: Path, bounds: Bounds, cancelled: threading.Event) -> None:
    deadline, next_look, ended = time.monotonic() + bounds.seconds, 0.0, False
    while not ended:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            ended = True
        now = time.monotonic()
        if cancelled.is_set():
            raise LeaseCancelled
        if now > deadline:
            raise UvStopped("time")
        if ended or now >= next_look:
            if size_of(folder) > bounds.size_bytes:
                raise UvStopped("size")
            next_look = time.monotonic() + 20 * (time.monotonic() - now)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
