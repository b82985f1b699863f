"""Where a model's commits lie at a forge, and what is written there: [models.forge] of the operator's file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pushline.runtime.addresses import is_loopback
from pushline.runtime.strict_table import StrictTable

KINDS = ("github", "gitlab", "gitea")
_API_PATHS = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}  # of an instance of one's own
_GITHUB = "https://api.github.com"
_OPEN_TO_ALL = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "gitea"}
_SCP_FORM = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9._-]*):/*([^:\s]+)", re.ASCII)
_NAME = r"[A-Za-z0-9_.-]+"
_PROJECTS = {
    "github": re.compile(rf"{_NAME}/{_NAME}", re.ASCII),
    "gitea": re.compile(rf"{_NAME}/{_NAME}", re.ASCII),
    "gitlab": re.compile(rf"[0-9]+|{_NAME}(/{_NAME})+", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class ForgeConfig:
    """`token_file` is a path alone: who writes to the forge reads it, nobody else has to be able to."""

    kind: str  # github | gitlab | gitea
    api: str  # without a slash at its end
    project: str
    token_file: Path
    ca_file: Path | None = None
    status: bool = True
    comment: bool = True


def read_forge(table: StrictTable, folder: Path, repository: str) -> ForgeConfig:
    """Raises WrongKey."""
    kind = table.parsed("kind", _kind)
    host, path = _host_and_path(repository)
    config = ForgeConfig(
        kind=kind,
        api=_given(table, "api", _api, _default_api(kind, host, repository)),
        project=_given(table, "project", lambda text: _project(kind, text), _default_project(kind, path)),
        token_file=table.parsed("token_file", lambda text: folder / text),
        ca_file=table.parsed("ca_file", lambda text: folder / text, None),
        status=table.flag("status", default=True),
        comment=table.flag("comment", default=True),
    )
    table.finish()
    if not config.status and not config.comment:
        raise table.wrong("status", "is false, and so is comment: nothing would be written")
    if config.ca_file is not None and not config.api.startswith("https://"):
        raise table.wrong("ca_file", "goes with an api at an https address")
    return config


def _given(table: StrictTable, key: str, parse: Callable[[str], str], default: str) -> str:
    if not default and key not in table:
        raise table.wrong(key, "is missing, and the repository's address does not tell it")
    return table.parsed(key, parse, default)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f'"{text}" is no kind of forge; known are {", ".join(KINDS)}')
    return text


def _api(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or re.search(r"\s", text):
        raise ValueError(f'"{text}" is no https address without ? and #')
    if "@" in parts.netloc:
        raise ValueError("has credentials in it; name a file in token_file")
    if parts.scheme == "http" and not is_loopback(text):
        raise ValueError("the token would go over the network in clear; use an https address")
    return text.rstrip("/")


def _project(kind: str, text: str) -> str:
    if not _PROJECTS[kind].fullmatch(text) or any(set(part) <= {"."} for part in text.split("/")):
        form = "group/project, or the project's number" if kind == "gitlab" else "owner/name"
        raise ValueError(f'"{text}" is not of the form {form}')
    return text


def _default_api(kind: str, host: str, repository: str) -> str:
    """Only a forge that everybody knows, or the very server that the repository is read from by https."""
    if _OPEN_TO_ALL.get(host) == kind:
        return _GITHUB if kind == "github" else f"https://{host}{_API_PATHS[kind]}"
    return f"https://{host}{_API_PATHS[kind]}" if repository.startswith("https://") and host not in _OPEN_TO_ALL else ""


def _default_project(kind: str, path: str) -> str:
    name = path.strip("/").removesuffix(".git")
    try:
        return _project(kind, name)
    except ValueError:
        return ""


def _host_and_path(repository: str) -> tuple[str, str]:
    """Give the host with its port where one is named, and the path; empty where the repository is a folder."""
    if "://" in repository:
        parts = urlsplit(repository)
        host = parts.netloc.rpartition("@")[2].lower()
        return (host if parts.scheme in ("https", "http") else parts.hostname or ""), parts.path
    scp = None if repository.startswith("/") else _SCP_FORM.fullmatch(repository)
    return (scp[1].lower(), scp[2]) if scp else ("", "")
