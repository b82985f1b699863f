"""How a private repository is reached: files with a token or an SSH key, named by the operator, checked at the start.

Only their paths are kept. git and ssh read them when they need them, so that a secret is in no argument, environment or other file.
"""

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pushline.runtime.strict_table import StrictTable

USERNAME = "x-token-auth"  # what a token goes with where the operator names no user; all of the four forges take it
MAX_TOKEN_BYTES = 4096
_ODD_IN_PATH = re.compile(r"[\"'\\%\x00-\x1f]")
_USERNAME = re.compile(r"[A-Za-z0-9._@+~-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GitAccess:
    token_file: Path | None = None
    username: str = USERNAME
    ssh_key_file: Path | None = None
    ssh_known_hosts_file: Path | None = None


def read_git_access(table: StrictTable, folder: Path, repository: str) -> GitAccess:
    """Raises WrongKey."""
    access = GitAccess(
        token_file=_path(table, "token_file", folder),
        username=table.parsed("username", _parse_username, USERNAME),
        ssh_key_file=_path(table, "ssh_key_file", folder),
        ssh_known_hosts_file=_path(table, "ssh_known_hosts_file", folder),
    )
    _check_address(table, access, repository)
    if access.token_file is not None:
        _check_secret(table, "token_file", access.token_file)
        _check_token(table, access.token_file)
    if access.ssh_key_file is not None:
        _check_secret(table, "ssh_key_file", access.ssh_key_file)
    if access.ssh_known_hosts_file is not None:
        _read(table, "ssh_known_hosts_file", access.ssh_known_hosts_file)
    return access


def _check_address(table: StrictTable, access: GitAccess, repository: str) -> None:
    scheme = repository.partition("://")[0] if "://" in repository else "" if repository.startswith("/") else "ssh"
    if access.token_file is not None and scheme not in {"https", "http"}:
        raise table.wrong("token_file", "goes with a repository at an https address")
    if access.token_file is not None and scheme == "http" and not _is_loopback(repository):
        raise table.wrong("token_file", "would go over the network in clear; use an https address")
    if access.username != USERNAME and access.token_file is None:
        raise table.wrong("username", "goes with token_file, which is missing")
    for key in ("ssh_key_file", "ssh_known_hosts_file"):
        if getattr(access, key) is not None and scheme != "ssh":
            raise table.wrong(key, "goes with a repository at an ssh address")


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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


def _check_secret(table: StrictTable, key: str, path: Path) -> None:
    """As ssh does: one's own secret is for nobody else; one that another user owns and lends by a group is for no third."""
    _read(table, key, path)
    found = path.stat()
    wrong = found.st_mode & (0o077 if found.st_uid == os.getuid() else 0o007)
    if wrong:
        raise table.wrong(key, f"others may read {path} (mode {found.st_mode & 0o777:03o}); run chmod 600 on it")


def _check_token(table: StrictTable, path: Path) -> None:
    token = _read(table, "token_file", path).rstrip(b"\r\n")
    if not token or len(token) > MAX_TOKEN_BYTES or any(not 0x21 <= byte <= 0x7E for byte in token):  # noqa: PLR2004 - printable
        raise table.wrong("token_file", f"{path} holds no token: one line of printable characters without spaces")


def _read(table: StrictTable, key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise table.wrong(key, f"cannot read {path}: {error.strerror}") from None
