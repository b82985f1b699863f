"""What real servers are made of, in the user's cache: made once a version, by one process at a time, there whole or not at all."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SETTING = "PUSHLINE_SERVERS_CACHE"
BUILD_SECONDS = 3600.0
LINES_SHOWN, WIDTH_SHOWN = 3, 400
MACHINES_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

Tell = Callable[[str], None]


class NotPrepared(Exception):
    """A server's parts could not be fetched or built; the sentence says which, and where the whole log lies."""


@dataclass(frozen=True)
class Kitchen:
    """Where parts are made: a folder that is thrown away, and how to run commands in it."""

    folder: Path
    environ: Mapping[str, str]
    log: Path

    def run(self, command: Sequence[str | Path], cwd: Path | None = None, environ: Mapping[str, str] = {}) -> str:
        """Give what it wrote to its output. Raises NotPrepared with its last words."""
        everything = {**authorities(self.environ), **self.environ, "TMPDIR": str(self.folder), **environ}
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(str(word) for word in command)}\n".encode())
            log.flush()
            try:
                done = subprocess.run(
                    command, cwd=cwd or self.folder, env=everything, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=log, timeout=BUILD_SECONDS, check=False,
                )  # fmt: skip
            except OSError as error:
                raise NotPrepared(f"{command[0]} cannot be run: {error.strerror}") from None
            except subprocess.TimeoutExpired:
                raise NotPrepared(f"{command[0]} took longer than {BUILD_SECONDS:g} s") from None
            log.write(done.stdout)
        if done.returncode != 0:
            raise NotPrepared(f"{Path(command[0]).name} ended with exit code {done.returncode}:\n{self.last_words()}")
        return done.stdout.decode(errors="replace")

    def tools(self, requirements: Path) -> Path:
        """Install locked Python packages into an environment of their own; give its folder of commands."""
        folder = self.folder / "tools"
        self.run([sys.executable, "-m", "venv", folder])
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        self.run([*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", requirements])
        return folder / "bin"

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()[-LINES_SHOWN:]
        return "\n".join(line[:WIDTH_SHOWN] for line in lines)


def authorities(environ: Mapping[str, str]) -> dict[str, str]:
    """Make a Python program trust whom the machine trusts; by itself it would trust a list of its own."""
    found = (path for path in (environ.get("SSL_CERT_FILE", ""), *MACHINES_AUTHORITIES) if path and Path(path).exists())
    path = next(found, "")
    return {"REQUESTS_CA_BUNDLE": path} if path else {}


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder that PUSHLINE_SERVERS_CACHE names, else one in the user's cache."""
    if named := environ.get(SETTING):
        return Path(named)
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "pushline" / "servers"


def prepared(name: str, environ: Mapping[str, str], tell: Tell, make: Callable[[Kitchen, Path], None]) -> Path:
    """Give the folder `name` of the cache; where it is not there, let `make(kitchen, folder)` fill it. Raises NotPrepared."""
    cache = cache_folder(environ)
    ready = cache / name
    if ready.is_dir():
        return ready
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f".{name}.lock", name, tell):
            if not ready.is_dir():
                _make(ready, environ, tell, make)
    except OSError as error:
        raise NotPrepared(f"{cache} cannot be used ({SETTING} names another folder): {error.strerror or error}") from None
    return ready


def _make(ready: Path, environ: Mapping[str, str], tell: Tell, make: Callable[[Kitchen, Path], None]) -> None:
    beside, log = ready.with_name(f".{ready.name}.making"), ready.with_name(f"{ready.name}.log")
    shutil.rmtree(beside, ignore_errors=True)  # of one that was killed
    log.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        (beside / "kitchen").mkdir(parents=True)
        (beside / "ready").mkdir()
        make(Kitchen(beside / "kitchen", environ, log), beside / "ready")
        (beside / "ready").replace(ready)
    except NotPrepared as error:
        raise NotPrepared(f"{ready.name} could not be made: {error}\nThe whole log: {log}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    tell(f"{ready.name} is ready in {ready} ({time.monotonic() - began:.0f} s)")


@contextmanager
def _alone(path: Path, name: str, tell: Tell) -> Iterator[None]:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"{name} is being made by another process; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
