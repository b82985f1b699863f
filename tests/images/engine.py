"""A real Docker engine: the one that answers here, else Debian's own, started for these tests alone where this user may do that."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.servers.cache import cache_folder
from tests.servers import ENVIRON, tell
from tests.waiting import until

START_SECONDS, STOP_SECONDS, BUILD_SECONDS = 60.0, 60.0, 1500.0
RELEASE, PULLED, KEPT = "bookworm", "python:3.13-slim-bookworm", "8GB"
BASE_PACKAGES = "python3-venv,ca-certificates"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
CLIENTS = ("docker", "/usr/bin/docker")


class NoEngine(Exception):
    """None answers, and none can be started; the sentence says what would help."""


@dataclass(frozen=True, slots=True)
class Engine:
    client: str
    environ: Mapping[str, str] = field(repr=False)

    def __call__(self, *words: str, seconds: float = 120.0, check: bool = True, given: bytes = b"") -> str:
        """Run a docker command; give what it wrote. What it complains of stands in the error of a failed one."""
        done = subprocess.run(
            [self.client, *words], env=dict(self.environ), input=given, capture_output=True, timeout=seconds, check=False
        )
        assert done.returncode == 0 or not check, (words, done.returncode, (done.stdout + done.stderr).decode()[-4000:])
        return (done.stdout if check else done.stdout + done.stderr).decode().strip()

    def has(self, image: str) -> bool:
        told = subprocess.run([self.client, "image", "inspect", image], env=dict(self.environ), capture_output=True, check=False)
        return told.returncode == 0


@contextmanager
def engine() -> Iterator[Engine]:
    """Raises NoEngine."""
    answering = next((client for client in CLIENTS if shutil.which(client) and _answers(client, ENVIRON)), "")
    if answering:
        yield Engine(answering, ENVIRON)
        return
    with _started() as own:
        yield own


def _answers(client: str, environ: Mapping[str, str]) -> bool:
    asked = [client, "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(asked, env=dict(environ), capture_output=True, check=False, timeout=20).returncode == 0


@contextmanager
def _started() -> Iterator[Engine]:
    """Its images stay in the user's cache for the next time."""
    program, client = shutil.which("dockerd"), next(filter(shutil.which, reversed(CLIENTS)), "")
    if os.geteuid() != 0 or program is None or not client:
        raise NoEngine("no Docker engine answers; start one, or as root: apt-get install docker.io, and Debian's is started here")
    kept = cache_folder(ENVIRON).parent / "engine"
    kept.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="pushline-engine-", dir="/run") as name, (kept / "dockerd.log").open("wb") as log:
        address = f"unix://{name}/docker.sock"
        folders = ["--data-root", str(kept / "data"), "--exec-root", f"{name}/exec", "--pidfile", f"{name}/docker.pid"]
        forwarding = _firewall("-S", "FORWARD").splitlines()[:1]  # such as -P FORWARD ACCEPT, which dockerd changes for all
        process = subprocess.Popen([program, *folders, "--host", address], stdout=log, stderr=log, env=dict(ENVIRON))
        environ = {**ENVIRON, "DOCKER_HOST": address}
        try:
            until(lambda: _answers(client, environ) or process.poll() is not None, START_SECONDS, "Debian's dockerd")
            if process.poll() is not None:
                raise NoEngine(f"dockerd ends at once; it says why in {kept / 'dockerd.log'}")
            own = Engine(client, environ)
            yield own
            own("image", "prune", "--force")
            own("builder", "prune", "--force", "--keep-storage", KEPT, check=False)  # BuildKit's own, for the next time
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
            for policy in forwarding:
                _firewall(*policy.split())


def _firewall(*words: str) -> str:
    return subprocess.run(["iptables", "--wait", *words], capture_output=True, text=True, check=False).stdout


def base_image(engine: Engine) -> str:
    """Give the base to build on: the one that PUSHLINE_TEST_BASE names, else a Debian that is made here from its packages, once.

    Where nothing is here to make one, it is what tools/images takes, out of a registry.
    """
    if named := ENVIRON.get("PUSHLINE_TEST_BASE"):
        return named
    image = f"pushline-test-base:{RELEASE}"
    if not engine.has(image):
        bootstrap = shutil.which("mmdebstrap")
        if bootstrap is None:
            engine("pull", "--quiet", PULLED, seconds=BUILD_SECONDS)
            return PULLED
        tell(f"making {image} of Debian's packages, once")
        with TemporaryDirectory(prefix="pushline-base-") as folder:
            tree = Path(folder) / "base.tar"
            _bootstrap(bootstrap, tree)
            engine("import", str(tree), image, seconds=BUILD_SECONDS)
    return image


def _bootstrap(program: str, tree: Path) -> None:
    lean = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
    lean += ["--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=Acquire::Languages none"]
    command = [program, "--quiet", "--variant=apt", f"--include={BASE_PACKAGES}", *lean, RELEASE, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise NoEngine(f"mmdebstrap could not make a base: {done.stderr.strip()[-500:]}")
