"""The demo's line: `pushline up` in a process of its own, so that the load and the line share no interpreter."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, read_line_file
from pushline.runtime.bound import bound

START_SECONDS, STOP_SECONDS = 90.0, 30.0


@contextmanager
def demo_line(config: Path, environ: Mapping[str, str]) -> Iterator[tuple[LineFile, Path]]:
    """Give the line and its line.json; stopped in order at the end. Raises Said where it does not start."""
    up = [sys.executable, "-m", "pushline.cli", "up", str(config), "--free-ports", "--json"]
    words = config.with_name("up.log")
    with words.open("wb") as err:
        process = subprocess.Popen(
            bound(up),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            process_group=0,  # a Ctrl-C is ours; we stop it in order
        )
    try:
        path = Path(_first_line(process, words)["line"])
        yield read_line_file(path), path
    finally:
        _stop(process)


def _first_line(process: subprocess.Popen[bytes], words: Path) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while process.stdout is not None and (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        line = process.stdout.readline()
        if not line:
            break
        told: dict[str, str] = json.loads(line)
        return told
    _stop(process)
    raise Said(f"The line did not start: {_error(words)}", Exit.FAILED)


def _error(words: Path) -> str:
    last = words.read_text(errors="replace").strip()
    try:
        return str(json.loads(last.splitlines()[-1])["error"])
    except (ValueError, LookupError, TypeError):
        return last[-2000:] or "it said nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
