"""Find a line: the line.json that an option, the environment or the folder names, or settings that name broker and store."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, read_line_file
from pushline.cli.terminal import Terminal
from pushline.runtime.settings import LineSettings, SettingsError, StoreSettings, options, read, setting


@dataclass(frozen=True)
class ClientSettings:
    kafka_options: Mapping[str, str] = setting(
        "PUSHLINE_KAFKA_OPTIONS", default={}, parse=options, secret=True, help="librdkafka options, name=value;name=value"
    )


DEFAULT = Path("state/line.json")


def line_file_of(terminal: Terminal, path: Path | None) -> LineFile:
    """The line that the options and the environment name. Raises Said where there is none, or it has ended."""
    if path is None and terminal.environ.get("PUSHLINE_KAFKA"):
        return _from_settings(terminal)
    line = read_line_file(path or DEFAULT)
    if line.pid and not _runs(line.pid):
        raise Said(
            f"The line of {path or DEFAULT} has ended (process {line.pid} is gone). Start it with `pushline up`.", Exit.UNREACHABLE
        )
    return line


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _from_settings(terminal: Terminal) -> LineFile:
    try:
        line, store = read(LineSettings, terminal.environ), read(StoreSettings, terminal.environ)
        client = read(ClientSettings, terminal.environ)
    except SettingsError as error:
        raise Said(str(error), Exit.BAD_FILE) from None
    access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    return LineFile(0, line.kafka, dict(client.kafka_options), line.topic_prefix, access, "127.0.0.1", {}, {}, "", "")
