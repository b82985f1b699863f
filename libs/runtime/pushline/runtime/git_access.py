"""How a private repository is reached: files with a token or an SSH key, named by the operator, checked at the start.

Only their paths are kept. git and ssh read them when they need them, so that a secret is in no argument, environment or other file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime import token_file
from pushline.runtime.addresses import is_loopback
from pushline.runtime.strict_table import StrictTable

USERNAME = "x-token-auth"  # what a token goes with where the operator names no user; all of the four forges take it
_ODD_IN_PATH = re.compile(r"[\"'\\%\x00-\x1f]")
_USERNAME = re.compile(r"[A-Za-z0-9._@+~-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GitAccess:
    token_file: Path | None = None
    username: str = USERNAME
    ssh_key_file: Path | None = None
    ssh_known_hosts_file: Path | None = None


def read_git_access(table: StrictTable, folder: Path, repository: str, *, secrets: bool = True) -> GitAccess:
    """Raises WrongKey. Without `secrets` the files are named and not looked at."""
    access = GitAccess(
        token_file=_path(table, "token_file", folder),
        username=table.parsed("username", _parse_username, USERNAME),
        ssh_key_file=_path(table, "ssh_key_file", folder),
        ssh_known_hosts_file=_path(table, "ssh_known_hosts_file", folder),
    )
    _check_address(table, access, repository)
    if secrets:
        _check_files(table, access)
    return access


def _check_files(table: StrictTable, access: GitAccess) -> None:
    if access.token_file is not None:
        _check_token(table, access.token_file)
    if access.ssh_key_file is not None:
        _check_key(table, access.ssh_key_file)
    if access.ssh_known_hosts_file is not None:
        _read(table, "ssh_known_hosts_file", access.ssh_known_hosts_file)


def _check_address(table: StrictTable, access: GitAccess, repository: str) -> None:
    scheme = repository.partition("://")[0] if "://" in repository else "" if repository.startswith("/") else "ssh"
    if access.token_file is not None and scheme not in {"https", "http"}:
        raise table.wrong("token_file", "goes with a repository at an https address")
    if access.token_file is not None and scheme == "http" and not is_loopback(repository):
        raise table.wrong("token_file", "would go over the network in clear; use an https address")
    if access.username != USERNAME and access.token_file is None:
        raise table.wrong("username", "goes with token_file, which is missing")
    for key in ("ssh_key_file", "ssh_known_hosts_file"):
        if getattr(access, key) is not None and scheme != "ssh":
            raise table.wrong(key, "goes with a repository at an ssh address")


def _path(table: StrictTable, key: str, folder: Path) -> Path | None:
    return table.parsed(key, lambda text: _parse_path(folder / text), None)


def _parse_path(path: Path) -> Path:
    if _ODD_IN_PATH.search(str(path)):
        raise ValueError(f"{str(path)!r} has a quote, a backslash, a percent sign or a control character in it")
    return path


def _parse_username(text: str) -> str:
    if not _USERNAME.fullmatch(text):
        raise ValueError("is no name of a user: letters, digits and . _ @ + ~ - alone")
    return text


def _check_key(table: StrictTable, path: Path) -> None:
    _read(table, "ssh_key_file", path)
    try:
        token_file.check_private(path)
    except token_file.Unusable as error:
        raise table.wrong("ssh_key_file", str(error)) from None


def _check_token(table: StrictTable, path: Path) -> None:
    try:
        token_file.read(path)
    except token_file.Unusable as error:
        raise table.wrong("token_file", str(error)) from None


def _read(table: StrictTable, key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise table.wrong(key, f"cannot read {path}: {error.strerror}") from None
