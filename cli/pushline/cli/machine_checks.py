"""What a machine needs to run a line: found or not, and how to get it. Looks, and changes nothing."""

import ctypes
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.service_settings import HOST, PORTS
from pushline.servers.cache import cache_folder
from pushline.servers.real_parts import KAFKA_VERSION, MINIO_FOLDER, MINIO_VERSION

LEAST_DISK = 4 * 1024**3
LEAST_GIT = (2, 30)
SECONDS = 20.0
USER_NAMESPACES = ["--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]

NAMESPACES_CURE = (
    "Allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in Docker: --security-opt seccomp=unconfined"
)
LANDLOCK_VERSION = (444, None, 0, 1)  # landlock_create_ruleset, which gives its version
REAL_SERVERS = {f"Apache Kafka {KAFKA_VERSION}": f"kafka-{KAFKA_VERSION}", f"MinIO of {MINIO_VERSION[:10]}": MINIO_FOLDER}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: str  # ok | warning | missing
    found: str
    cure: str = ""


def check_machine(environ: Mapping[str, str], *, ports_wanted: bool) -> list[Finding]:
    training = check_training(training_python(environ))
    findings = [
        check_python(),
        check_git(),
        check_sandbox(environ),
        training,
        check_engine(environ),
        check_servers(environ),
        check_disk(),
    ]
    return [*findings, check_ports()] if ports_wanted else findings


def training_python(environ: Mapping[str, str]) -> Path:
    """The interpreter that trains: the one that is named, else the one beside this."""
    named = environ.get("PUSHLINE_TRAINING_PYTHON", "")
    return Path(named) if named else Path(sys.prefix) / "training" / "bin" / "python"


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", "ok", f"{version} ({sys.prefix})")
    return Finding(
        "python", "missing", f"{version}; 3.11 to 3.13 is needed", "Debian, Ubuntu: apt-get install python3 python3-venv"
    )


def check_git() -> Finding:
    told = _run(["git", "--version"])
    numbers = re.search(r"(\d+)\.(\d+)", told or "")
    if numbers is None:
        return Finding("git", "missing", "git is not there", "Debian, Ubuntu: apt-get install git")
    if (int(numbers[1]), int(numbers[2])) < LEAST_GIT:
        return Finding("git", "warning", f"{numbers[0]}; tried with 2.30 and newer")
    return Finding("git", "ok", (told or "").strip().removeprefix("git version "))


def check_sandbox(environ: Mapping[str, str]) -> Finding:
    """Really start one: a kernel or container may forbid user namespaces. The trainer asks each of its own rungs again."""
    wanted = environ.get("PUSHLINE_SANDBOX", "auto")
    if wanted == "off":
        return Finding("sandbox", "warning", "off (PUSHLINE_SANDBOX): scripts of committers run with your rights")
    first = "unshare was asked for (PUSHLINE_SANDBOX)" if wanted == "unshare" else _bubblewrap_problem()
    if not first:
        second = "" if _unshare_problem() else "; unshare with Landlock works too"
        return Finding("sandbox", "ok", f"bubblewrap, user namespaces work{second}")
    if wanted != "bubblewrap" and not _unshare_problem():
        return Finding("sandbox", "ok", f"unshare with Landlock works; {first}")
    if shutil.which("bwrap") is None:
        return Finding("sandbox", "missing", first, "Debian, Ubuntu: apt-get install bubblewrap")
    return Finding("sandbox", "missing", f"{first}; {_unshare_problem()}", NAMESPACES_CURE)


def check_servers(environ: Mapping[str, str]) -> Finding:
    """What `pushline up --real` starts."""
    cache = cache_folder(environ)
    lacking = [name for name, folder in REAL_SERVERS.items() if not (cache / folder).is_dir()]
    if lacking:
        return Finding("real servers", "warning", f"{' and '.join(lacking)} not prepared; the first `pushline up --real` does it")
    return Finding("real servers", "ok", f"{' and '.join(REAL_SERVERS)} ({cache})")


def check_engine(environ: Mapping[str, str]) -> Finding:
    """The interpreter that serves models without a serving program."""
    python = environ.get("PUSHLINE_TENSORFLOW_PYTHON", "")
    if not python:
        return Finding("engine", "ok", "LiteRT; PUSHLINE_TENSORFLOW_PYTHON is not set: a model that does not compile is not served")
    told = _versions(Path(python))
    if told is None:
        cure = "In the clone: tools/install; then name its Python by PUSHLINE_TENSORFLOW_PYTHON"
        return Finding("engine", "missing", f"no TensorFlow in {python} (PUSHLINE_TENSORFLOW_PYTHON)", cure)
    return Finding("engine", "ok", f"LiteRT, and {told} ({python})")


def _bubblewrap_problem() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not there"
    return (
        ""
        if _run(["bwrap", *USER_NAMESPACES, "true"]) is not None
        else "bubblewrap is there, but this machine forbids user namespaces"
    )


def _unshare_problem() -> str:
    """The second rung needs the same namespaces, and Landlock."""
    if sys.platform != "linux" or ctypes.CDLL(None).syscall(*LANDLOCK_VERSION) < 1:
        return "this kernel has no Landlock"
    works = _run(["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--fork", "true"]) is not None
    return "" if works else "unshare is forbidden too"


def check_training(python: Path) -> Finding:
    told = _versions(python)
    if told is not None:
        return Finding("training", "ok", f"{told} ({python})")
    return Finding(
        "training", "missing", f"no TensorFlow in {python}", "In the clone: tools/install; else set PUSHLINE_TRAINING_PYTHON"
    )


def _versions(python: Path) -> str | None:
    ask = "from importlib.metadata import version as v; print('TensorFlow', v('tensorflow'), 'Keras', v('keras'))"
    for package in ("tensorflow", "tensorflow_cpu"):
        told = _run([str(python), "-I", "-c", ask.replace("v('tensorflow')", f"v('{package}')")])
        if told is not None:
            return told.strip()
    return None


def check_disk() -> Finding:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free < LEAST_DISK:
        return Finding("disk", "warning", f"{text}; a training may use 4", "Free some, or set TMPDIR")
    return Finding("disk", "ok", text)


def check_ports() -> Finding:
    wanted = sorted(port for ports in PORTS.values() for port in ports.values())
    taken = [port for port in wanted if not _free(port)]
    if taken:
        return Finding(
            "ports", "warning", f"in use: {', '.join(map(str, taken))}", "Stop what uses them, or: pushline up --free-ports"
        )
    return Finding("ports", "ok", f"{', '.join(map(str, wanted))} are free")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _run(command: list[str]) -> str | None:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout if told.returncode == 0 else None
