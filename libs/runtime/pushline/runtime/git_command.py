"""One git call, hardened: a clean environment, a config of our own, one protocol, a deadline; no credential in argv."""

import os
import re
import resource
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.giving_way import give_way

PATH = "/usr/local/bin:/usr/bin:/bin"
MAX_STDERR = 600
CONFIG = """\
[core]
	hooksPath = /dev/null
	symlinks = false
	fsmonitor = false
	protectHFS = true
	protectNTFS = true
[credential]
	helper =
[submodule]
	recurse = false
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
[transfer]
	bundleURI = false
[protocol]
	allow = never
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 30
[gc]
	auto = 0
[maintenance]
	auto = false
[i18n]
	logOutputEncoding = UTF-8
"""


EXPLAINED = {  # what an operator can do something about
    "could not read Username": "it demands a token; name a file with one in token_file",
    "Authentication failed": "it does not take the token in token_file",
    "requested URL returned error: 30": "it redirects elsewhere, which is not followed; correct the address",
    "Host key verification failed": "its host key is none of the known hosts; name a file with it in ssh_known_hosts_file",
    "Permission denied (publickey": "it does not take the key; name a file with another in ssh_key_file",
}


class ForgeUnavailable(Exception):
    """The repository cannot be reached or read now. Transient: wait and try again."""


class GitFailed(Exception):
    """git ended with an error; the message is the end of what it said, without credentials, or what to do about it."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as the operator named it: what git is given, and the one protocol it may speak."""

    url: str
    protocol: str
    is_local: bool

    @property
    def config(self) -> str:
        if not self.is_local:
            return CONFIG
        quoted = [path.replace("\\", "\\\\").replace('"', '\\"') for path in (self.url, f"{self.url}/.git")]
        return CONFIG + "[safe]\n" + "".join(f'\tdirectory = "{path}"\n' for path in quoted)


def parse_repository(text: str) -> Repository:
    """Raises ForgeUnavailable: an address that git may not be given keeps the model waiting until the operator corrects it."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", text)
    if scheme and scheme[1] in {"https", "http", "ssh", "git"}:
        return Repository(text, scheme[1], is_local=False)
    path = text.removeprefix("file://")
    if path.startswith("/") and "\n" not in path:
        return Repository(str(Path(path).resolve()), "file", is_local=True)
    if not scheme and "::" not in text and re.fullmatch(r"(?:[A-Za-z0-9._][^@/\s:]*@)?[A-Za-z0-9][A-Za-z0-9._-]*:[^:\s-]\S*", text):
        return Repository(text, "ssh", is_local=False)
    raise ForgeUnavailable(f"repository {redact(text)!r} is neither an https, http or ssh address nor an absolute path")


def redact(text: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://", text)


@dataclass(frozen=True, slots=True)
class GitCommand:
    config: Path  # the only config that git reads
    home: Path
    protocol: str
    ssh: str = "ssh -o BatchMode=yes"
    max_file_bytes: int = 4 * 1024**3  # of any file that git writes, packs first of all
    objects: Path | None = None  # of another repository, to be read beside its own
    nice: int = 0  # above 0 it gives way to others

    def environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": self.ssh,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": self.protocol,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            **({"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{self.objects}"'} if self.objects else {}),
        }

    def run(self, arguments: Sequence[str], timeout_seconds: float) -> bytes:
        """Give what git printed. Raises GitFailed, ForgeUnavailable (it took too long, or git is not there)."""
        process = self.start(arguments, stderr=subprocess.PIPE)
        try:
            output, errors = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise ForgeUnavailable(f"git {arguments[0]} did not end within {timeout_seconds:g} s") from None
        if process.returncode != 0:
            raise GitFailed(_said(errors) or f"git {arguments[0]} ended with {process.returncode}")
        return output

    def start(
        self, arguments: Sequence[str], stdin: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self.environment(),
                cwd=self.home,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise ForgeUnavailable("git is not installed: install the package git") from None
        with suppress(ProcessLookupError, PermissionError):  # it ended already; it is bounded more narrowly already
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self.max_file_bytes, self.max_file_bytes))
        if self.nice:
            give_way(process.pid, self.nice)
        return process


def end_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    end_group(process)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _said(errors: bytes) -> str:
    text = redact(errors.decode("utf-8", "replace"))
    for words, explanation in EXPLAINED.items():
        if words in text:
            return explanation
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[-MAX_STDERR:]
