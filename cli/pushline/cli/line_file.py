"""line.json: by what the commands find a line that `pushline up` runs. It holds credentials and is readable by its owner alone."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pushline.cli.exits import Exit, Said

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StoreAccess:
    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class WatchedModel:
    repository: str
    branch: str


@dataclass(frozen=True, slots=True)
class LineFile:
    pid: int  # of `pushline up`; 0 where nobody here runs the line
    kafka: str
    kafka_options: dict[str, str]
    topic_prefix: str
    store: StoreAccess
    host: str
    ports: dict[str, dict[str, int]]  # service → name → port
    models: dict[str, WatchedModel]
    folder: str
    emit_secret: str = field(repr=False)  # signs hints for the trainer

    def url(self, service: str, name: str, path: str = "") -> str:
        return f"http://{self.host}:{self.port(service, name)}{path}"

    def port(self, service: str, name: str) -> int:
        port = self.ports.get(service, {}).get(name)
        if port is None:
            raise Said(
                f"It is not known where the {service} listens ({name}); use the line.json of `pushline up`.", Exit.UNREACHABLE
            )
        return port


def write_line_file(path: Path, line: LineFile) -> None:
    """In one step, 0600."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({"schema": SCHEMA, **asdict(line)}, out, indent=2, sort_keys=True)
    beside.replace(path)


def read_line_file(path: Path) -> LineFile:
    try:
        data = json.loads(path.read_text())
        return _build(data)
    except FileNotFoundError:
        raise Said(
            f"No line runs here: there is no {path}. Start one with `pushline up`, or name one by --line FILE or PUSHLINE_KAFKA.",
            Exit.UNREACHABLE,
        ) from None
    except OSError as error:
        raise Said(f"{path} cannot be read: {error.strerror}.", Exit.BAD_FILE) from None
    except (ValueError, KeyError, TypeError):
        raise Said(f"{path} is no line.json of this version of Pushline.", Exit.BAD_FILE) from None


def _build(data: dict[str, Any]) -> LineFile:
    if data.pop("schema") != SCHEMA:
        raise ValueError("schema")
    data["store"] = StoreAccess(**data["store"])
    data["models"] = {name: WatchedModel(**model) for name, model in data["models"].items()}
    return LineFile(**data)
