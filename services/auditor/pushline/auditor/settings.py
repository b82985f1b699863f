"""The auditor's settings, from the environment."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pushline.runtime.settings import SettingsError, StageLineSettings, options, port, server, setting, url
from pushline.runtime.settings import group as settings_group


def public_url(text: str) -> str:
    parts = urlsplit(url(text))
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f'"{text}" has more in it than scheme, host, port and path')
    return text.rstrip("/")


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
class ReportStore:
    """Where the reports lie that comments at a forge are made of. All of it or nothing; a key that may read is enough."""

    endpoint: str = setting(
        "PUSHLINE_S3_ENDPOINT", default="", parse=server, help="address of the object store, where comments are to hold the report"
    )
    bucket: str = setting("PUSHLINE_S3_BUCKET", default="pushline", help="bucket that holds models, runs and data sets")
    access_key: str = setting(
        "PUSHLINE_S3_ACCESS_KEY", default="", secret=True, help="access key of the object store, one that may read runs/*"
    )
    secret_key: str = setting("PUSHLINE_S3_SECRET_KEY", default="", secret=True, help="secret key that goes with it")
    region: str = setting("PUSHLINE_S3_REGION", default="us-east-1", help="region that requests are signed for")

    @property
    def is_given(self) -> bool:
        """Raises SettingsError where a part is missing."""
        needed = {
            "PUSHLINE_S3_ENDPOINT": self.endpoint,
            "PUSHLINE_S3_ACCESS_KEY": self.access_key,
            "PUSHLINE_S3_SECRET_KEY": self.secret_key,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing and len(missing) < len(needed):
            raise SettingsError(tuple(f"{name} is missing: it goes with the others of the object store" for name in missing))
        return not missing


@dataclass(frozen=True)
class ForgeSettings:
    config: Path | None = setting(
        "PUSHLINE_CONFIG", default=None, parse=Path, help="the operator's file: at which forges what is told of commits"
    )
    public_url: str = setting(
        "PUSHLINE_PUBLIC_URL",
        default="",
        parse=public_url,
        help="where people reach the auditor's pages, such as https://pushline.example.com; statuses and comments lead there",
    )
    store: ReportStore = settings_group()


@dataclass(frozen=True)
class Settings:
    line: StageLineSettings = settings_group()
    process: ProcessSettings = settings_group()
    forge: ForgeSettings = settings_group()
