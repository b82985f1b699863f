"""Settings: frozen dataclasses made from a mapping, usually the environment. They fail whole and early.

A secret can stand in a file instead: NAME_FILE names it. Groups nest; `group` changes the defaults of one. Everything that is
missing or wrong goes into one SettingsError, a line each. The value of a secret appears in no repr and no message.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_type_hints
from urllib.parse import urlsplit

S = TypeVar("S")
T = TypeVar("T")
REQUIRED: Final = object()


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message has a line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: object
    parse: Callable[[str], object]
    secret: bool
    help: str


def setting(  # the fields' own types say what comes out
    name: str,
    *,
    default: Any = REQUIRED,  # noqa: ANN401 - of the field's own type
    parse: Callable[[str], Any] = str,
    secret: bool = False,
    help: str,  # noqa: A002 - it reads as in every argument parser
) -> Any:  # noqa: ANN401 - a dataclass field, which stands for a value of its type
    """Give a dataclass field. `parse` raises ValueError with a sentence; `default` is the parsed value. Empty counts as unset."""
    return field(repr=not secret, metadata={"setting": Setting(name, default, parse, secret, help)})


def group(**defaults: object) -> Any:  # noqa: ANN401 - a dataclass field
    """Give a field that holds a nested group of settings, with other defaults, by field name."""
    return field(metadata={"defaults": defaults})


def read(kind: type[S], environ: Mapping[str, str]) -> S:
    """Build `kind`. Raises SettingsError that names every missing or wrong setting."""
    problems: list[str] = []
    built = _read(kind, environ, {}, problems)
    if problems:
        raise SettingsError(tuple(dict.fromkeys(problems)))
    return built  # type: ignore[no-any-return]  # built from a type that is only known while running


def describe(kind: type, defaults: Mapping[str, object] = MappingProxyType({})) -> tuple[Setting, ...]:
    """List the settings of a class and its groups, with the defaults that count there, for help texts and documents."""
    hints = get_type_hints(kind)
    found: list[Setting] = []
    for each in fields(kind):
        own: Setting | None = each.metadata.get("setting")
        if own:
            found.append(replace(own, default=defaults.get(each.name, own.default)))
        else:
            found.extend(describe(hints[each.name], each.metadata.get("defaults", {})))
    return tuple(found)


def port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:  # noqa: PLR2004 - the highest port
        raise ValueError(f'"{text}" is no port (0 to 65535; 0 takes any free one)')
    return int(text)


def count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or int(text) < 1:
        raise ValueError(f'"{text}" is no whole number above 0')
    return int(text)


def at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if count(text) < least:
            raise ValueError(f'"{text}" is below {least}')
        return count(text)

    return parse


def url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'"{text}" is no http or https address')
    return text


def server(text: str) -> str:
    if urlsplit(url(text)).path.strip("/"):
        raise ValueError(f'"{text}" has a path; only http:// or https://, host and port are asked for')
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f'"{text}" is none of {", ".join(choices)}')
        return text

    return parse


def yes_or_no(text: str) -> bool:
    return one_of("yes", "no")(text) == "yes"


def options(text: str) -> dict[str, str]:
    """Read name=value pairs, a line each or separated by semicolons."""
    pairs = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    if any("=" not in pair for pair in pairs):
        raise ValueError("write name=value pairs, separated by semicolons")
    return {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}


def prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text, re.ASCII):
        raise ValueError(f'"{text}" has characters that no topic name may have')
    return text


def _read(kind: Any, environ: Mapping[str, str], defaults: Mapping[str, object], problems: list[str]) -> Any:  # noqa: ANN401
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for each in fields(kind):
        own: Setting | None = each.metadata.get("setting")
        if own:
            values[each.name] = _value(own, environ, defaults.get(each.name, own.default), problems)
        elif is_dataclass(hints[each.name]):
            values[each.name] = _read(hints[each.name], environ, each.metadata.get("defaults", {}), problems)
        else:
            raise TypeError(f"{kind.__name__}.{each.name} is neither a setting nor a group of settings")
    return None if problems else kind(**values)


def _value(own: Setting, environ: Mapping[str, str], default: object, problems: list[str]) -> object:
    try:
        text = _text(own, environ)
    except ValueError as error:
        problems.append(str(error))
        return None
    if not text:
        if default is REQUIRED:
            problems.append(f"{own.name} is missing: {own.help}")
        return default
    try:
        return own.parse(text)
    except ValueError as error:
        problems.append(f"{own.name}: {'its value cannot be read' if own.secret else error}")
        return None


def _text(own: Setting, environ: Mapping[str, str]) -> str:
    text, named = environ.get(own.name, ""), environ.get(f"{own.name}_FILE", "")
    if not own.secret or not named:
        return text
    if text:
        raise ValueError(f"{own.name} and {own.name}_FILE are both set; keep one")
    try:
        text = Path(named).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{own.name}_FILE: cannot read {named}: {why}") from None
    if not text:
        raise ValueError(f"{own.name}_FILE: {named} is empty")
    return text


@dataclass(frozen=True)
class LineSettings:
    kafka: str = setting("PUSHLINE_KAFKA", help="bootstrap servers of the broker, host:port, separated by commas")
    topic_prefix: str = setting("PUSHLINE_TOPIC_PREFIX", default="", parse=prefix, help="put before topic names and group ids")
    check_topics: bool = setting(
        "PUSHLINE_CHECK_TOPICS",
        default=True,
        parse=yes_or_no,
        help="yes or no: hold the topics' settings against what the line needs before reading them",
    )


@dataclass(frozen=True)
class StageLineSettings(LineSettings):
    """Of a service whose replicas divide the work."""

    replica: str = setting(
        "PUSHLINE_REPLICA",
        default="",
        parse=prefix,
        help="name of this replica, kept over restarts, which no other of its kind has: a killed one gets its work back at once",
    )


@dataclass(frozen=True)
class WorkingLineSettings(StageLineSettings):
    """Of a stage, which puts what is no event on a dead-letter topic."""

    bad_records: int = setting(
        "PUSHLINE_MOST_BAD_RECORDS",
        default=100,
        parse=at_least(10),
        help="how many undecodable records in a row on one partition go to the dead letters; more of them stop the stage there "
        "until `pushline dlq accept`",
    )


@dataclass(frozen=True)
class SnapshotSettings:
    folder: Path | None = setting(  # noqa: RUF009 - a field, not a shared default (inside this module ruff cannot tell)
        "PUSHLINE_SNAPSHOTS",
        default=None,
        parse=Path,
        help="folder of this process's own for snapshots of what it read, so that a start reads only what is new; unset: none",
    )


@dataclass(frozen=True)
class StoreSettings:
    endpoint: str = setting("PUSHLINE_S3_ENDPOINT", parse=server, help="address of the object store, http:// or https://")
    bucket: str = setting("PUSHLINE_S3_BUCKET", default="pushline", help="bucket that holds models, runs and data sets")
    access_key: str = setting("PUSHLINE_S3_ACCESS_KEY", secret=True, help="access key of the object store")
    secret_key: str = setting("PUSHLINE_S3_SECRET_KEY", secret=True, help="secret key of the object store")
    region: str = setting("PUSHLINE_S3_REGION", default="us-east-1", help="region that requests are signed for")


@dataclass(frozen=True)
class ProcessSettings:
    """What every process has. A service gives its own metrics port: `process: ProcessSettings = group(metrics_port=9101)`."""

    bind: str = setting("PUSHLINE_BIND", default="127.0.0.1", help="address to listen on")
    metrics_port: int = setting(
        "PUSHLINE_METRICS_PORT", parse=port, help="port of /metrics, /livez and /readyz; 0 takes any free one"
    )
    ports_file: Path | None = setting(  # noqa: RUF009 - a field, not a shared default (inside this module ruff cannot tell)
        "PUSHLINE_PORTS_FILE", default=None, parse=Path, help="file that is told the ports once the process listens"
    )
    kafka_options: Mapping[str, str] = setting(
        "PUSHLINE_KAFKA_OPTIONS", default={}, parse=options, secret=True, help="librdkafka options, name=value;name=value"
    )
