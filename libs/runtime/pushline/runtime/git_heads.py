"""What the branches of a repository point to, asked of the repository itself. Nothing is fetched."""

import re
import threading
from contextlib import suppress
from pathlib import Path

from pushline.runtime.git_access import GitAccess
from pushline.runtime.git_command import ForgeUnavailable, GitCommand, GitFailed, Repository, parse_repository, redact
from pushline.runtime.git_secrets import credential_config, ssh_command

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ALL_BRANCHES = "*"
MAX_FILE_BYTES = 4 * 1024**3
_HEADS = "refs/heads/"


def open_git(
    repository: str, access: GitAccess, folder: Path, max_file_bytes: int = MAX_FILE_BYTES
) -> tuple[Repository, GitCommand]:
    """Give the repository and the git that may speak to it, whose config lies in the folder. Raises ForgeUnavailable."""
    known = parse_repository(repository)
    config, text = folder / "config", known.config + credential_config(known.url, access)
    try:
        _keep(config, text)
    except OSError as error:
        raise ForgeUnavailable(f"git's folder cannot be written: {error}") from None
    return known, GitCommand(config, folder, known.protocol, ssh_command(access), max_file_bytes)


def _keep(config: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if config.read_text() == text:
            return
    fresh = config.with_name(f"config.{threading.get_ident()}")
    fresh.write_text(text)
    fresh.replace(config)


def heads(known: Repository, git: GitCommand, branch: str, seconds: float) -> dict[str, str]:
    """Give the SHA of each branch that is asked for, by its name. Raises ForgeUnavailable."""
    try:
        output = git.run(["ls-remote", "--refs", "--", known.url, f"{_HEADS}{branch}"], seconds)
    except GitFailed as error:
        raise ForgeUnavailable(f"repository {redact(known.url)} does not answer: {error}") from None
    lines = (line.partition("\t") for line in output.decode("utf-8", "replace").splitlines())
    return {name.removeprefix(_HEADS): sha for sha, _, name in lines if name.startswith(_HEADS) and SHA.fullmatch(sha)}
