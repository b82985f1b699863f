"""Where a process listens: one log line, and a file for whoever started it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pushline.runtime.logs import Logger


def announce(log: Logger, ports: Mapping[str, int], path: Path | None) -> None:
    """Call once everything listens. `ports` is by name: {"metrics": 9101, "webhook": 8080}."""
    log.info("listening", **{f"labels.port_{name}": port for name, port in ports.items()})
    if path is not None:
        write(path, ports)


def write(path: Path, ports: Mapping[str, int]) -> None:
    """Write the file so that nobody sees half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(dict(ports), sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(path)
