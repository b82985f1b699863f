"""The auditor's settings, from the environment."""

from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.settings import LineSettings, options, port, setting
from pushline.runtime.settings import group as settings_group


@dataclass(frozen=True)
class ProcessSettings:
    """The auditor has one port: its pages, its API and what every process answers."""

    bind: str = setting("PUSHLINE_BIND", default="127.0.0.1", help="address to listen on")
    http_port: int = setting(
        "PUSHLINE_HTTP_PORT", default=8088, parse=port, help="port of pages, API and metrics; 0 takes any free one"
    )
    ports_file: Path | None = setting(
        "PUSHLINE_PORTS_FILE", default=None, parse=Path, help="file that is told the ports once the process listens"
    )
    kafka_options: dict[str, str] = setting(
        "PUSHLINE_KAFKA_OPTIONS", default={}, parse=options, secret=True, help="librdkafka options, name=value;name=value"
    )


@dataclass(frozen=True)
class Settings:
    line: LineSettings = settings_group()
    process: ProcessSettings = settings_group()
